import json
from pathlib import Path

import pytest

from ..scripted_server import Script, make_events


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    base = tmp_path / "tiny"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_bytes(b"weights")
    arguments: list[object] = ["--base", base]
    for kind in ("demonstrations", "comparisons", "prompts"):
        (tmp_path / f"{kind}.jsonl").write_text("{}\n")
        arguments += [f"--{kind}", tmp_path / f"{kind}.jsonl"]
    return arguments


def test_own_files_are_uploaded_and_chained(cli, script: Script, files: list[object]) -> None:
    script.events = make_events()
    result = cli("pipeline", *files, "--name", "team", "--dpo", "--max-bad", 2, "--set", "ppo.steps=9", "--json")
    assert json.loads(result.stdout)["results"]["sft"]["model"]["model"] == "sft"
    assert script.datasets.keys() == {"team-demonstrations", "team-comparisons", "team-prompts"}
    spec = script.requests["CreateRun"][0].spec
    assert (spec.name, [stage.name for stage in spec.pipeline.stages]) == (
        "team",
        ["sft", "reward_model", "ppo", "dpo"],
    )
    sft, reward, ppo, dpo = spec.pipeline.stages
    assert sft.sft.base_model == "team-base@1.3-aa"
    assert sft.sft.dataset.startswith("team-demonstrations@")
    assert (reward.reward_model.base_model, reward.reward_model.demonstrations) == ("stage:sft", sft.sft.dataset)
    assert (ppo.ppo.policy_model, ppo.ppo.reward_model, ppo.ppo.steps) == ("stage:sft", "stage:reward_model", 9)
    assert dpo.dpo.dataset == reward.reward_model.dataset
    assert all(parts[0].header.max_bad == 2 for parts in script.requests["UploadDataset"])


def test_a_model_that_the_catalog_has_is_named_not_sent(cli, script: Script, files: list[object]) -> None:
    cli("pipeline", "--base", "llama@1.0-x", *files[2:], "--no-wait")
    assert script.requests["CreateRun"][0].spec.pipeline.stages[0].sft.base_model == "llama@1.0-x"
    assert not script.calls("UploadModel")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("ppo.stpes=9", "did you mean 'steps'?"),
        ("ppo.steps=many", "steps: got 'many', expected int"),
        ("dpo.beta=0.1", "with a stage of sft, reward_model, ppo"),
        ("nonsense", "expected STAGE.FIELD=VALUE"),
    ],
)
def test_a_bad_setting_is_refused_before_anything_is_sent(
    cli, script: Script, files: list[object], setting: str, message: str
) -> None:
    assert message in cli("pipeline", *files, "--set", setting, exit_code=1).stderr
    assert not script.calls("UploadDataset")
