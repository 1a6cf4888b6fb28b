"""`client.feedback` and the commands, against a real service."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rlhf
from rlhf.cli import app
from typer.testing import CliRunner, Result

from services.data import read
from services.feedback.service import Feedback
from services.runtime.server import running
from services.simulator.families import all_cases
from services.simulator.world import load_world
from tests.unit.feedback.desk import settings

PAIRS = [rlhf.Item(f"question {n}", (f"good {n}", f"bad {n}"), ("new@1", "old@1"), domain="tea") for n in range(12)]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a service in another thread, which blocking clients need."""
    address, stop, loop = list[str](), asyncio.Event(), asyncio.new_event_loop()
    ready = threading.Event()

    async def serve() -> None:
        chosen = settings(folder)
        feedback = Feedback(chosen)
        async with running("feedback", chosen, feedback.register) as where, feedback.preparing(where):
            address.append(str(where))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("feedback")) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[rlhf.Client]:
    with rlhf.Client(feedback=address) as client:
        yield client


@pytest.fixture
def cli(address: str) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, ["--feedback", address, *map(str, arguments)])


def judge_all(client: rlhf.Client, campaign: str, rater: str) -> int:
    done = 0
    while assignment := client.feedback.next(campaign, rater=rater).assignment:
        better = "first" if assignment.responses[0].startswith("good") else "second"
        client.feedback.prefer(assignment, better, note="clear", seconds=2.5)
        done += 1
    return done


def test_a_campaign_from_items_to_export(client: rlhf.Client, tmp_path: Path) -> None:
    client.feedback.create("walk", guidelines="*Be fair.*", overlap_share=1.0, repeat_share=0.0)
    assert client.feedback.add_items("walk", PAIRS) == 12
    assert [judge_all(client, "walk", rater) for rater in ("anna", "ben")] == [12, 12]
    campaign, statistics = client.feedback.get("walk"), client.feedback.statistics("walk")
    dataset = client.feedback.export("walk", aggregation="majority")
    path = client.feedback.download("walk", tmp_path / "out" / "walk.parquet", aggregation="majority")
    assert (campaign.state, campaign.guidelines, campaign.progress.judgements) == ("open", "*Be fair.*", 24)
    assert statistics.agreement.agreement
    assert statistics.agreement.agreement.value == 1
    assert statistics.agreement.krippendorff_alpha
    assert statistics.agreement.without_kappas == ""
    assert statistics.domains[0].domain == "tea"
    assert [(source.source, source.wins) for source in statistics.sources] == [("new@1", 24), ("old@1", 0)]
    assert statistics.raters[0].median_seconds == 2.5
    assert (dataset.name, dataset.record_type, dataset.num_records) == ("walk", "comparison", 12)
    assert len(read(path).records) == 12


def test_undo_skip_and_what_was_judged(client: rlhf.Client) -> None:
    client.feedback.create("undo", overlap_share=0.0)
    client.feedback.add_items("undo", PAIRS[:3])
    first = client.feedback.next("undo", rater="anna").assignment
    assert first
    made = client.feedback.prefer(first, "tie")
    undone = client.feedback.undo("undo", rater="anna")
    client.feedback.skip(undone.assignment, "no idea")
    assert undone.judgement == made.judgement
    assert undone.assignment == first
    found = client.feedback.judgements("undo")
    assert [(j.choice, j.skip_reason, j.undone) for j in found] == [("tie", None, True), (None, "no idea", False)]
    assert client.feedback.progress("undo", rater="anna").open == 2
    assert "no item was judged by two raters" in client.feedback.statistics("undo").agreement.without_kappas


def test_errors_are_typed(client: rlhf.Client) -> None:
    client.feedback.create("errors", overlap_share=0.0)
    client.feedback.add_items("errors", PAIRS[:2])
    assignment = client.feedback.next("errors", rater="anna").assignment
    assert assignment
    client.feedback.prefer(assignment, "first")
    with pytest.raises(rlhf.AlreadyExistsError, match="undo it to judge it again"):
        client.feedback.prefer(assignment, "second")
    with pytest.raises(rlhf.InvalidInputError, match="choice: got 'left', expected one of first, second"):
        client.feedback.prefer(assignment, "left")
    with pytest.raises(rlhf.NotFoundError):
        client.feedback.get("nothing")
    with pytest.raises(rlhf.InvalidInputError, match="people read it"):
        client.feedback.add_items("errors", [rlhf.Item([1, 2], ("a", "b"))])
    with pytest.raises(rlhf.InvalidInputError, match="items: got 0"):
        client.feedback.add_items("errors", [])


async def test_the_async_client_reads_alike(address: str, tmp_path: Path) -> None:
    async with rlhf.AsyncClient(feedback=address) as client:
        await client.feedback.create("async", kind="ranking", responses_per_item=3, overlap_share=0.0)
        await client.feedback.add_items("async", [rlhf.Item("why", ("a", "b", "c"))])
        assignment = (await client.feedback.next("async", rater="anna")).assignment
        assert assignment
        await client.feedback.rank(assignment, [[assignment.responses.index("b")], others(assignment)])
        path = await client.feedback.download("async", tmp_path / "a.jsonl", aggregation="votes")
        await client.feedback.set_rater("anna", skills=["tea"])
        assert (await client.feedback.raters())["anna"] == ["tea"]
        assert (await client.feedback.close("async")).state == "closed"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["chosen"][0]["content"] for row in rows] == ["b", "b"], "the other two are a tie"


def others(assignment: rlhf.Assignment) -> list[int]:
    return [place for place, response in enumerate(assignment.responses) if response != "b"]


def test_a_demonstration_campaign(client: rlhf.Client, tmp_path: Path) -> None:
    client.feedback.create("write", kind="demonstration", overlap_share=0.0)
    client.feedback.add_items("write", [rlhf.Item("why"), rlhf.Item("how", ("a draft",))])
    while assignment := client.feedback.next("write", rater="anna").assignment:
        client.feedback.demonstrate(assignment, f"ideal answer to {assignment.prompt[0]['content']}")
    path = client.feedback.download("write", tmp_path / "write.jsonl")
    assert len(read(path).records) == 2


def test_commands_walk_a_campaign(cli: Callable[..., Result], tmp_path: Path) -> None:
    """Simulated raters answer a campaign about prompts of their world."""
    cases = list(all_cases(load_world("home")))[::40]
    rows = [{"prompt": c.prompt, "responses": [f"{c.subject}.", f"{' '.join(c.pieces)}."]} for c in cases]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "rules.md").write_text("# Rules\nPrefer what is *complete*.")
    assert cli("campaigns", "create", "home", "--overlap", 3, "--overlap-share", 1, "--strength").exit_code == 0
    assert "version 2" in cli("campaigns", "guidelines", "home", tmp_path / "rules.md").stdout
    imported = cli("campaigns", "import", "home", tmp_path / "pairs.jsonl")
    assert f"0/{3 * len(rows)} judgements on {len(rows)} items" in imported.stdout
    done = json.loads(cli("raters", "simulate", "home", "--raters", 4, "--random", 1, "--json").stdout)
    assert set(done) == {"sim-ada", "sim-ben", "sim-cleo", "sim-coin-4"}
    assert sum(done.values()) >= 3 * len(rows)
    report = cli("feedback", "statistics", "home")
    assert f"all: {len(rows)} items judged twice or more" in report.stdout
    assert "sim-coin-4: " in report.stdout
    assert "comparisons" in cli("feedback", "export", "home", "--dataset", "prefs").stdout
    assert cli("feedback", "download", "home", tmp_path / "prefs.parquet").exit_code == 0
    assert len(read(tmp_path / "prefs.parquet").records) > len(rows) / 2
    assert "home\tcomparison\topen" in cli("campaigns", "list").stdout
    assert "home is closed" in cli("campaigns", "close", "home").stdout
    assert "is closed" in cli("campaigns", "show", "home").stdout


def test_commands_about_raters_and_mistakes(cli: Callable[..., Result]) -> None:
    assert cli("raters", "set", "ben@example.org", "--skill", "german").exit_code == 0
    assert "ben@example.org\tgerman" in cli("raters", "list").stdout
    wrong = cli("campaigns", "create", "bad name")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "spec.name" in wrong.stderr
    assert "--dataset" in cli("campaigns", "create", "x", "--model", "sft").stderr
