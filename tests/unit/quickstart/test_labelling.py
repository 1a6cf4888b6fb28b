import json
import webbrowser
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import rlhf
from rich.console import Console

from services.quickstart.labelling import (
    PAIRS,
    RATER,
    Judged,
    LabellingPage,
    NothingToLabel,
    PageEnded,
    for_a_person,
    mixed,
    open_browser,
    preferences,
    summary,
)
from services.quickstart.material import LabelledPair, label
from services.quickstart.narrator import Narrator
from services.quickstart.quickstart import main
from services.runtime.errors import InvalidInput
from services.simulator.splits import cases, draw
from services.simulator.world import load_world
from tests.conftest import free_port

WORLD = load_world("home")
CASES = draw(cases(WORLD, "train"), 40, seed=0)
PAIRS_OF_THREE = label(WORLD, CASES, [["one", "two", "three"]] * len(CASES), seed=0)


def test_a_person_gets_twenty_pairs_of_different_prompts_chosen_by_the_seed() -> None:
    asked = for_a_person(PAIRS_OF_THREE, seed=3)
    assert len({pair.case.prompt for pair in asked}) == len(asked) == PAIRS
    assert all(any(pair is one for one in PAIRS_OF_THREE) for pair in asked)
    assert for_a_person(PAIRS_OF_THREE, seed=3) == asked != for_a_person(PAIRS_OF_THREE, seed=4)


def test_where_there_are_fewer_a_person_gets_all() -> None:
    assert len(for_a_person(PAIRS_OF_THREE[:7], seed=0)) == len({pair.case.prompt for pair in PAIRS_OF_THREE[:7]})


def test_without_any_pair_it_says_what_to_do() -> None:
    with pytest.raises(NothingToLabel, match="without --fast or without --label"):
        for_a_person([], seed=0)


def exported(path: Path, *rows: Mapping[str, str]) -> Path:
    """As the feedback service writes them for TRL."""
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    messages = ({side: [{"role": roles[side], "content": row[side]}] for side in roles} | {"weight": 1} for row in rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in messages))
    return path


def row(pair: LabelledPair) -> dict[str, str]:
    return {"prompt": pair.case.prompt, "chosen": pair.chosen, "rejected": pair.rejected}


def turned(pair: LabelledPair) -> LabelledPair:
    return replace(
        pair, chosen=pair.rejected, rejected=pair.chosen, rater=RATER, chosen_probability=1 - pair.chosen_probability
    )


def test_the_persons_word_stands_for_all_raters_of_a_pair() -> None:
    thrice = label(WORLD, CASES, [["one", "two", "three"]] * len(CASES), seed=0, judgements=3)
    decided, tied = asked = for_a_person(thrice, seed=0)[:2]
    trained = mixed(thrice, asked, Judged(2, [replace(decided, rater=RATER)]))
    assert [pair.rater for pair in trained if same_answers(pair, decided)] == [RATER] * 3
    assert not [pair for pair in trained if same_answers(pair, tied)]
    assert len(trained) == len(thrice) - 3


def same_answers(one: LabelledPair, other: LabelledPair) -> bool:
    return one.case == other.case and {one.chosen, one.rejected} == {other.chosen, other.rejected}


def test_the_persons_word_replaces_the_simulated_raters(tmp_path: Path) -> None:
    """One agreed, one turned round, one without a preference; the other pairs of their prompts stay."""
    agreed, differs, tied = asked = for_a_person(PAIRS_OF_THREE, seed=0)[:3]
    file = exported(tmp_path / "labelled.jsonl", row(agreed), row(turned(differs)))
    judged = Judged(3, [*preferences(asked, file)])
    assert judged.pairs == [replace(agreed, rater=RATER), turned(differs)]
    trained = mixed(PAIRS_OF_THREE, asked, judged)
    assert len(trained) == len(PAIRS_OF_THREE) - 1
    assert trained[-2:] == judged.pairs
    assert not any(pair is one for pair in trained for one in (agreed, differs, tied))
    assert summary(asked, judged) == {"judged": 3, "preferences": 2, "as_simulated": 1}


@pytest.fixture
def console() -> Console:
    return Console(file=StringIO(), width=40)


def test_progress_is_told_when_it_changes_until_all_are_done(console: Console) -> None:
    counts: Iterator[int] = iter([0, 0, 1, 3])
    Narrator(console).count("pairs judged", 3, lambda: next(counts), seconds=0.0)
    assert console.file.getvalue().split("\n")[:-1] == ["  0 of 3 pairs judged", "  1 of 3 pairs judged"]  # type: ignore


def test_an_address_stays_whole_on_a_narrow_terminal(console: Console) -> None:
    address = f"http://127.0.0.1:8080/campaigns/{'x' * 60}/label?rater=[b]person"
    Narrator(console).say(address)
    assert console.file.getvalue() == f"{address}\n"  # type: ignore[attr-defined]


def test_a_gateway_that_has_ended_ends_the_waiting(console: Console, client: rlhf.Client) -> None:
    page = LabellingPage(client, f"http://127.0.0.1:{free_port()}", Narrator(console))
    with pytest.raises(PageEnded, match=r"has ended .*see gateway\.log"):
        page._answered("quickstart")


def test_a_domain_is_shown_in_words(console: Console) -> None:
    asked: list[rlhf.Item] = []
    feedback = SimpleNamespace(create=lambda *_, **__: None, add_items=lambda campaign, items: asked.extend(items))
    pair = replace(PAIRS_OF_THREE[0], case=replace(CASES[0], family="small_talk"))
    LabellingPage(SimpleNamespace(feedback=feedback), "", Narrator(console))._open([pair])  # type: ignore[arg-type]
    assert [(item.domain, item.responses) for item in asked] == [("small talk", [pair.chosen, pair.rejected])]


def test_services_that_run_already_are_not_asked_for_a_page(tmp_path: Path, client: rlhf.Client) -> None:
    with pytest.raises(InvalidInput, match="services that run already"):
        main(out=tmp_path, label=True, client=client)


@pytest.fixture
def client() -> Iterator[rlhf.Client]:
    """To services that nobody started."""
    with rlhf.Client(feedback=f"127.0.0.1:{free_port()}") as client:
        yield client


class Window(webbrowser.BackgroundBrowser):
    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        return url == "http://here"


@pytest.mark.parametrize(("browser", "opened"), [(Window("firefox"), True), (webbrowser.GenericBrowser("true"), False)])
def test_a_browser_is_opened_unless_it_runs_in_the_terminal(monkeypatch, browser, opened: bool) -> None:
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    assert open_browser("http://here") is opened


def test_no_browser_is_no_error(monkeypatch) -> None:
    def none() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    assert open_browser("http://here") is False
