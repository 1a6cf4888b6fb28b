"""The quickstart stops for a person, and the reward model learns what the person said."""

import json
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import psutil
import pytest
import rlhf
from rich.console import Console

from services.local import Services
from services.quickstart.labelling import Judged, LabellingPage
from services.quickstart.material import label
from services.quickstart.narrator import Narrator
from services.simulator.splits import cases, draw
from services.simulator.world import load_world
from tests.conftest import wait_until
from tests.e2e.front_door import Person, front_door, plain
from tests.e2e.test_interrupt import RLHF, SERVICES, check_gone, programs, started

pytestmark = pytest.mark.timeout(900)

ADDRESS = re.compile(r"http://\S+/label\?rater=\w+")
BROWSER = '#!/bin/sh\necho "$1" > "$(dirname "$0")/opened"\n'


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for one: keeps the address that it was opened with."""
    program = tmp_path / "browser"
    program.write_text(BROWSER)
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s &")
    return tmp_path / "opened"


def test_the_quickstart_goes_on_with_what_a_person_said(tmp_path: Path, browser: Path) -> None:
    with started(RLHF, "quickstart", "--label", "--fast", "--out", tmp_path) as process:
        (address,) = ADDRESS.findall(read_until(process, "label?rater="))
        wait_until(lambda: browser.exists() and browser.read_text() == f"{address}\n", seconds=60)
        said = answers_of_a_person(Person(address))
        printed = read_until(process, "Reward model")
        assert f"{len(said)} preferences among them" in printed
        read_until(process, "  reward ")  # a step of it
        running = programs(process)
        assert {*SERVICES, "services.gateway", "services.trainer.worker"} <= running.keys()
        process.send_signal(signal.SIGINT)
        assert process.wait(120) > 0
        check_gone(running, seconds=0.5)
    trained_on = {plain(row["prompt"]): row for row in rows(tmp_path / "comparisons.jsonl")}
    for prompt, preferred in said.items():
        assert plain(trained_on[prompt]["chosen"]) == preferred
    assert len(trained_on) > len(said), "the simulated raters judged the others"


def answers_of_a_person(person: Person) -> dict[str, str]:
    """A tie, a skip, a change of mind, and the first answer of all others; the preferred answer by prompt."""
    said = {}
    found = person.judge(person.look()["card"], choice="tie")
    found = person.judge(found["card"], skip="unclear")
    person.judge(found["card"], choice="second")
    found = person.undo()
    while card := found["card"]:
        said[plain(card["prompt"][-1]["html"])] = plain(card["responses"][0])
        found = person.judge(card, choice="first")
    assert found["judged"] == len(said) + 2
    return said


def read_until(process: psutil.Popen, words: str) -> str:
    printed = ""
    while words not in printed:
        line = process.stdout.readline()
        assert line, f"it ended by itself:\n{printed}"
        printed += line
    return printed


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def url(services: Services, folder: Path) -> Iterator[str]:
    with front_door(services, folder / "label") as url:
        yield url


def test_a_person_without_any_preference_leaves_the_simulated_ones(
    client: rlhf.Client, url: str, tmp_path: Path
) -> None:
    world, narrator = load_world("home"), Narrator(Console(file=StringIO()))
    asked = label(world, draw(cases(world, "train"), 3, seed=0), [["one", "two"]] * 3, seed=0)

    def skip_all() -> None:
        wait_until(lambda: ADDRESS.search(printed()) is not None, seconds=120)
        person = Person(ADDRESS.findall(printed())[0])
        found = person.look()
        while card := found["card"]:
            found = person.judge(card, skip="unclear")

    def printed() -> str:
        return narrator.console.file.getvalue()  # type: ignore[attr-defined]

    with ThreadPoolExecutor(1) as threads:
        skipped = threads.submit(skip_all)
        assert LabellingPage(client, url, narrator).judge(asked, tmp_path) == Judged(3, [])
        skipped.result()
    assert "0 preferences among them" in printed()
