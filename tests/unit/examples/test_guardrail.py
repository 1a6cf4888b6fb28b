"""The arithmetic of examples/guardrail.py; what a user sees of it is tests/e2e/test_examples.py."""

import importlib.util
import json
import random
from pathlib import Path
from statistics import mean

import pytest

from services.feedback.intervals import share as estimated
from services.simulator.examples import labelled
from services.simulator.world import load_world

EXAMPLES = Path(__file__).parents[3] / "examples"
spec = importlib.util.spec_from_file_location("guardrail", EXAMPLES / "guardrail.py")
assert spec
assert spec.loader
guardrail = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guardrail)


@pytest.mark.parametrize("stopped", [0.05, 0.2])
def test_new_acceptable_answers_are_stopped_as_rarely_as_was_asked(stopped: float) -> None:
    """For scores that are uniform in 0 to 1, the threshold is the false-positive rate itself."""
    rng = random.Random(0)
    rates = [guardrail.threshold([rng.random() for _ in range(59)], stopped) for _ in range(2000)]
    assert 0.9 * stopped < mean(rates) < 1.02 * stopped


def test_too_few_answers_are_refused_with_how_many_it_takes() -> None:
    assert guardrail.threshold([0.5] * 19, 0.05) == 0.5
    with pytest.raises(SystemExit, match=r"18 acceptable answers .* expected 19 "):
        guardrail.threshold([0.5] * 18, 0.05)


@pytest.mark.parametrize(("hits", "count"), [(0, 30), (3, 30), (30, 30)])
def test_the_interval_is_wilsons(hits: int, count: int) -> None:
    expected = estimated(hits, count)
    assert expected
    text = f"{expected.value:.2f} [{expected.low:.2f}, {expected.high:.2f}]: {hits} of {count}"
    assert guardrail.share([True] * hits + [False] * (count - hits)) == text


def test_the_labelled_answers_are_the_simulators() -> None:
    rows = [json.loads(line) for line in (EXAMPLES / "labelled.jsonl").read_text().splitlines()]
    assert rows == list(labelled(load_world("home")))
    assert {row["acceptable"] for row in rows} == {True, False}
