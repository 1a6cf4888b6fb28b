import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from services.data import read
from services.quickstart.material import (
    PROMPTS_PER_CALL,
    label,
    sample,
    write_comparisons,
    write_demonstrations,
    write_prompts,
)
from services.simulator.cases import Case
from services.simulator.families import all_cases
from services.simulator.splits import cases, draw, split_of
from services.simulator.world import load_world

WORLD = load_world("home")
CASES = draw(cases(WORLD, "train"), 40, seed=0)
GOOD, BAD = "I hope this helps.", "Life is full of such things. One could go on and on."


def test_all_pairs_of_the_answers_are_judged_and_equal_or_empty_ones_dropped() -> None:
    pairs = label(WORLD, CASES[:1], [["one", "two", "two", "", "three"]], seed=0)
    assert sorted(tuple(sorted((p.chosen, p.rejected))) for p in pairs) == sorted(
        [("one", "two"), ("one", "two"), ("one", "three"), ("three", "two"), ("three", "two")]
    )


class Generator:
    """A client whose policy answers with its prompts, and remembers what it was asked."""

    def __init__(self, fails: bool = False) -> None:
        self.policy, self.fails, self.busy, self.seeds = self, fails, threading.Lock(), list[int]()

    def generate(self, prompts: list[str], samples_per_prompt: int, seed: int, **_: object) -> list[str]:
        assert self.busy.acquire(blocking=False), "a second call at the same time"
        try:
            if self.fails:
                raise ConnectionError("gone")
            time.sleep(0.01)
            self.seeds.append(seed)
            return [prompt for prompt in prompts for _ in range(samples_per_prompt)]
        finally:
            self.busy.release()


def sampled(clients: list[Generator], pool: list[Case]) -> list:
    return sample(clients, "sft", pool, per_case=2, max_new_tokens=8, seed=5)  # type: ignore[arg-type]


def test_several_clients_sample_what_one_does_each_with_one_call_at_a_time() -> None:
    pool = [replace(CASES[0], prompt=str(number)) for number in range(7 * PROMPTS_PER_CALL + 3)]
    one, two = [Generator()], [Generator(), Generator()]
    assert sampled(one, pool) == sampled(two, pool) == [case.prompt for case in pool for _ in range(2)]
    assert sorted(two[0].seeds + two[1].seeds) == one[0].seeds == list(range(5, 5 + len(pool), PROMPTS_PER_CALL))
    assert two[0].seeds
    assert two[1].seeds


def test_a_client_that_fails_ends_the_sampling() -> None:
    with pytest.raises(ConnectionError, match="gone"):
        sampled([Generator(), Generator(fails=True)], CASES * 40)


def test_a_pair_may_be_judged_several_times() -> None:
    once, thrice = (label(WORLD, CASES, [[GOOD, BAD]] * len(CASES), seed=1, judgements=n) for n in (1, 3))
    assert len(thrice) == 3 * len(once)
    assert {(p.case.prompt, frozenset((p.chosen, p.rejected))) for p in thrice} == {
        (p.case.prompt, frozenset((p.chosen, p.rejected))) for p in once
    }
    votes = [{pair.chosen for pair in thrice[start : start + 3]} for start in range(0, len(thrice), 3)]
    assert any(len(chosen) == 2 for chosen in votes), "raters disagree"


def test_the_chance_belongs_to_the_chosen_answer() -> None:
    pairs = label(WORLD, CASES, [[GOOD, BAD]] * len(CASES), seed=1)
    for pair in pairs:
        assert (pair.chosen_probability > 0.5) == (pair.chosen == GOOD)
    assert {pair.chosen for pair in pairs} == {GOOD, BAD}, "labels are drawn, not decided"


def test_what_is_written_is_read_as_what_it_is(tmp_path: Path) -> None:
    pairs = label(WORLD, CASES, [[GOOD, BAD]] * len(CASES), seed=1)
    assert read(write_comparisons(pairs, tmp_path / "c.jsonl")).record_type == "comparison"
    assert read(write_demonstrations(WORLD, 50, 0, tmp_path / "d.jsonl")).record_type == "demonstration"
    assert read(write_prompts(WORLD, tmp_path / "p.jsonl")).record_type == "prompt"


@pytest.mark.parametrize("seed", [0, 7])
def test_no_stage_is_given_a_prompt_of_the_evaluation(tmp_path: Path, seed: int) -> None:
    splits = {case.prompt: split_of(case) for case in all_cases(WORLD)}
    files = [write_demonstrations(WORLD, 400, seed, tmp_path / "d.jsonl"), write_prompts(WORLD, tmp_path / "p.jsonl")]
    for file in files:
        asked = {json.loads(line)["prompt"] for line in file.read_text().splitlines()}
        assert {splits[prompt] for prompt in asked} == {"train"}
