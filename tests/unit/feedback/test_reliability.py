"""Dawid-Skene by crowd-kit, with our additions, on raters whose accuracy is known."""

import random

import pytest

from services.feedback.reliability import AVERAGE, probability, reliabilities
from services.feedback.snapshot import Vote

ACCURACY = {"anna": 0.9, "ben": 0.85, "cleo": 0.9, "dora": 0.8, "emil": 0.5, "fred": 0.5}


def labelled(accuracy: dict[str, float], units: int, per_unit: int, seed: int) -> tuple[list[int], list[Vote]]:
    rng = random.Random(seed)
    truth = [rng.randint(0, 1) for _ in range(units)]
    votes = [
        Vote((f"i{unit}", 0, 1), rater, truth[unit] if rng.random() < accuracy[rater] else 1 - truth[unit], 0)
        for unit in range(units)
        for rater in rng.sample(list(accuracy), per_unit)
    ]
    return truth, votes


def decided(votes: list[Vote], reliable: dict[str, float], units: int) -> list[int]:
    """By weighted votes; an empty mapping weighs all the same, which is the majority."""
    groups: dict[str, list[Vote]] = {}
    for vote in votes:
        groups.setdefault(vote.unit[0], []).append(vote)
    chances = [probability(groups[f"i{unit}"], reliable) or 0.0 for unit in range(units)]
    return [int(chance < 0.5) for chance in chances]


def test_every_raters_accuracy_is_found() -> None:
    _, votes = labelled(ACCURACY, 400, 4, seed=0)
    found = reliabilities(votes, [])
    assert found == {rater: pytest.approx(accuracy, abs=0.08) for rater, accuracy in ACCURACY.items()}


def test_weighting_beats_the_majority_when_a_third_of_the_raters_are_random() -> None:
    gains = []
    for seed in range(5):
        truth, votes = labelled(ACCURACY, 300, 3, seed)
        weighted = decided(votes, reliabilities(votes, []), 300)
        majority = decided(votes, {}, 300)
        gains.append(sum(w == t for w, t in zip(weighted, truth)) - sum(m == t for m, t in zip(majority, truth)))
    assert min(gains) >= 0
    assert sum(gains) / 5 > 0.02 * 300


def test_gold_alone_tells_a_rater_apart() -> None:
    gold = [("anna", True)] * 20 + [("emil", n % 2 == 0) for n in range(20)]
    found = reliabilities([], gold)
    assert found["anna"] > 0.9
    assert found["emil"] == pytest.approx(0.5, abs=0.06)


def test_two_lucky_answers_make_no_expert() -> None:
    assert reliabilities([], [("anna", True)] * 2)["anna"] < 0.85


def test_a_rater_who_could_not_be_compared_is_unknown() -> None:
    assert "anna" not in reliabilities([Vote(("i0", 0, 1), "anna", 0, 0)], [])


def test_probability_weighs_votes_by_their_raters() -> None:
    good, poor = Vote(("i0", 0, 1), "good", 0, 0), Vote(("i0", 0, 1), "poor", 1, 0)
    reliable = {"good": 0.9, "poor": 0.6}
    assert probability([good], reliable) == pytest.approx(0.9)
    assert probability([good, poor], reliable) == pytest.approx(0.9 * 0.4 / (0.9 * 0.4 + 0.1 * 0.6))
    assert probability([good, poor], {}) == pytest.approx(0.5)
    assert probability([Vote(("i0", 0, 1), "new", 0, 0)], reliable) == pytest.approx(AVERAGE)
    assert probability([Vote(("i0", 0, 1), "good", None, 0)], reliable) is None


def test_raters_who_all_say_the_same_are_not_taken_apart() -> None:
    votes = [Vote((f"i{n}", 0, 1), rater, 0, 0) for n in range(10) for rater in ("anna", "ben")]
    found = reliabilities(votes, [])
    assert found["anna"] == found["ben"] > 0.9
