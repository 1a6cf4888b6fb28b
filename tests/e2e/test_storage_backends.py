"""The whole road and a run that is resumed, on an S3 server and in a folder."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.quickstart import main
from services.quickstart.curves import plots
from services.storage import open_store
from tests.e2e.workplace import workplace

pytestmark = pytest.mark.timeout(1500)

FETCHED = re.compile(r"""(src|href)\s*=|@import|url\(|<link|<iframe""", re.IGNORECASE)

DRAWN = {
    "SFT: Loss",
    "Reward model: Pairs in the right order",
    "PPO: Reward",
    "PPO: Reward by response length",
    "PPO: KL to the reference, per response",
    "PPO: Explained variance",
    "DPO: Margin",
}


def check_report(out: Path, results: dict[str, Any]) -> None:
    report = json.loads((out / "report.json").read_text())
    assert report == json.loads(json.dumps(results))
    assert list(report["effects"]) == ["sft over base", "ppo over sft", "dpo over sft"]
    for effect in report["effects"].values():
        assert effect["held_out"]["low"] <= effect["held_out"]["mean"] <= effect["held_out"]["high"]
    drawn = [plot.title for plot in plots(report["curves"])]
    assert set(drawn) >= DRAWN
    assert all(sample["prompt"] and {"base", "sft", "ppo", "dpo"} <= sample.keys() for sample in report["samples"])
    assert any(sample["sft"] != sample["base"] for sample in report["samples"])
    assert report["models"].keys() == {"base", "encoder", "sft", "reward", "ppo", "dpo"}
    assert len(set(report["models"].values())) == len(report["models"])
    check_page((out / "report.html").read_text(), report)


def check_page(page: str, report: dict[str, Any]) -> None:
    """All in one file: nothing in its markup is fetched from anywhere."""
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not FETCHED.search(markup)
    assert not re.search(r"<script[^>]*\ssrc\s*=\s*[\"']http", page)
    assert markup.count('class="plotly-graph-div"') == len(list(plots(report["curves"]))) + 1
    for name in report["effects"]:
        assert name in markup


def test_the_quickstart_runs_on_s3(s3_url: str, tmp_path: Path) -> None:
    results = main(fast=True, storage=s3_url, out=tmp_path / "out")
    check_report(tmp_path / "out", results)
    store = open_store(s3_url)
    for name in ("base", "sft", "reward", "ppo", "dpo"):
        assert list(store.children(f"models/{name}/versions"))
    assert not list((tmp_path / "out").glob("storage*")), "nothing was put beside the bucket"


@pytest.mark.full
def test_the_quickstart_runs_in_a_folder(tmp_path: Path) -> None:
    results = main(fast=True, out=tmp_path)
    check_report(tmp_path, results)


@pytest.mark.full
def test_a_run_on_s3_is_killed_and_resumed(s3_url: str, tmp_path: Path) -> None:
    with workplace(tmp_path, s3_url) as work:
        spec = work.ppo(steps=6)
        whole = work.client.runs.create(spec, name="whole", seed=3, deterministic=True).wait(timeout=400)
        run = work.client.runs.create(spec, name="killed", seed=3, deterministic=True)
        for event in run.watch(timeout=400):
            if event.metrics and event.step == 3 and event.run.attempt == 1:
                work.worker(run).kill()
        assert (run.refresh().state, run.attempt) == ("succeeded", 2)
        models = [result.model for each in (whole, run) for result in each.results.values()]
        assert models[0]
        assert models[1]
        assert models[0].digest == models[1].digest
        assert not (tmp_path / "storage").exists()
