"""Kappas and alpha against published examples, and against truth that is known because it was made."""

import itertools
import random

import krippendorff
import numpy as np
import pytest

from services.feedback.agreement import agreement, category, cohen_kappas, fleiss_kappas, krippendorff_alphas
from services.feedback.snapshot import Vote

# Fleiss 1971, psychiatric diagnoses as in the usual worked example: ten subjects, fourteen raters, five categories.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def votes(calls: dict[str, list[int | None]]) -> list[Vote]:
    """Each rater's winner of unit 0, 1, …; -1 is no vote."""
    found = ((rater, unit, winner) for rater, row in calls.items() for unit, winner in enumerate(row))
    return [Vote((f"i{unit}", 0, 1), rater, winner, 0) for rater, unit, winner in found if winner != -1]


def vote_on(unit: int, winner: int | None) -> Vote:
    return Vote((f"i{unit}", 0, 1), "anybody", winner, 0)


def test_fleiss_kappa_of_the_published_example() -> None:
    assert fleiss_kappas(FLEISS, np.ones((1, 10)))[0] == pytest.approx(0.210, abs=5e-4)


def test_cohen_kappa_of_a_worked_example() -> None:
    """Two readers of fifty proposals: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; observed 0.7, by chance 0.5."""
    assert cohen_kappas(np.array([[[20, 5], [10, 15]]]))[0] == pytest.approx(0.4)


def test_perfect_agreement_is_one_by_every_measure() -> None:
    row = [0, 1, None] * 5
    found = agreement(votes({"anna": row, "ben": row, "cleo": row}))
    for measure in (found.agreement, found.cohen_kappa, found.fleiss_kappa, found.krippendorff_alpha):
        assert measure is not None
        assert measure.value == measure.high == pytest.approx(1)
    assert (found.units, found.votes) == (15, 45)


def test_coin_tosses_agree_half_the_time_and_no_more_than_chance() -> None:
    rng = random.Random(0)
    found = agreement(votes({f"r{n}": [rng.randint(0, 1) for _ in range(300)] for n in range(3)}))
    assert found.agreement
    assert found.agreement.low < 0.5 < found.agreement.high
    for measure in (found.cohen_kappa, found.fleiss_kappa, found.krippendorff_alpha):
        assert measure is not None
        assert measure.low < 0 < measure.high


def test_agreement_of_raters_of_known_accuracy_is_within_its_interval() -> None:
    """Two raters who are right with 0.8 agree with 0.8² + 0.2² = 0.68, and kappa is 0.36 for two equal classes."""
    hits = 0
    for seed in range(20):
        rng = random.Random(seed)
        truth = [rng.randint(0, 1) for _ in range(400)]
        calls = {f"r{n}": [t if rng.random() < 0.8 else 1 - t for t in truth] for n in range(4)}
        found = agreement(votes(calls))
        assert found.agreement
        assert found.krippendorff_alpha
        hits += found.agreement.low <= 0.68 <= found.agreement.high
        hits += found.krippendorff_alpha.low <= 0.36 <= found.krippendorff_alpha.high
    assert hits >= 34, "95 % intervals hold the truth in 38 of 40 cases"


def test_units_with_one_vote_say_nothing() -> None:
    found = agreement(votes({"anna": [0, 1, 0], "ben": [-1, -1, 0]}))
    assert (found.units, found.votes) == (1, 2)
    assert agreement(votes({"anna": [0, 1]})).krippendorff_alpha is None


def test_where_all_votes_are_for_neither_there_is_no_kappa() -> None:
    found = agreement(votes({"anna": [None] * 12, "ben": [None] * 12}))
    assert found.agreement
    assert found.agreement.value == 1
    assert found.cohen_kappa is found.fleiss_kappa is found.krippendorff_alpha is None


def test_of_few_units_there_is_agreement_and_no_kappa() -> None:
    rows = {"anna": [0, 1, 0, 1, 0, 1, 0, 1, 0], "ben": [0, 1, 0, 1, 0, 1, 0, 1, 1]}
    few = agreement(votes(rows))
    enough = agreement(votes({rater: [*row, 1] for rater, row in rows.items()}))
    assert few.agreement
    assert few.agreement.value == pytest.approx(8 / 9)
    assert few.cohen_kappa is few.fleiss_kappa is few.krippendorff_alpha is None
    assert None not in (enough.cohen_kappa, enough.fleiss_kappa, enough.krippendorff_alpha)


def test_it_does_not_matter_in_which_order_an_item_holds_its_responses() -> None:
    """Right with 0.9 each, two agree with 0.82: kappa is 0.64, also where the better response always comes first."""
    rng = random.Random(2)
    better = [rng.randint(0, 1) for _ in range(1500)]
    right = {rater: [rng.random() < 0.9 for _ in better] for rater in ("anna", "ben")}
    for truth in (better, [0] * len(better)):
        rows = {rater: [t if hit else 1 - t for t, hit in zip(truth, row)] for rater, row in right.items()}
        found = agreement(votes(rows))
        for measure in (found.cohen_kappa, found.fleiss_kappa, found.krippendorff_alpha):
            assert measure is not None
            assert measure.low < 0.64 < measure.high


def test_krippendorffs_alpha_of_the_textbook() -> None:
    """Krippendorff 2011, section C: four observers, twelve units, some values missing; nominal alpha is 0.743."""
    observers = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    counts_NC = np.array([[column.count(str(value)) for value in range(1, 6)] for column in zip(*observers)])
    paired_NC = counts_NC[counts_NC.sum(axis=1) > 1]
    assert krippendorff_alphas(paired_NC, np.ones((1, len(paired_NC))))[0] == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_the_packages_own_on_raw_votes() -> None:
    rng = random.Random(3)
    calls = {f"r{n}": [rng.choice([0, 1, None, -1]) for _ in range(60)] for n in range(4)}
    found = agreement(votes(calls)).krippendorff_alpha
    data = [[np.nan if call == -1 else category(vote_on(n, call)) for n, call in enumerate(r)] for r in calls.values()]
    assert found
    assert found.value == pytest.approx(krippendorff.alpha(data, level_of_measurement="nominal"))


def test_alpha_of_a_resample_is_the_packages_own_of_the_repeated_units() -> None:
    counts_NC = np.array([[2, 1, 0], [0, 3, 0], [1, 1, 1], [4, 0, 1], [0, 0, 2]])
    weights_SN = np.array([[1, 1, 1, 1, 1], [0, 2, 1, 0, 2], [3, 0, 0, 1, 1]])
    expected = [
        krippendorff.alpha(value_counts=np.repeat(counts_NC, w, axis=0), level_of_measurement="nominal")
        for w in weights_SN
    ]
    assert krippendorff_alphas(counts_NC, weights_SN) == pytest.approx(expected)


def test_cohens_mean_is_over_pairs_of_raters() -> None:
    rng = random.Random(1)
    calls = {f"r{n}": [rng.randint(0, 1) for _ in range(50)] for n in range(3)}
    found = agreement(votes(calls)).cohen_kappa
    called = {rater: [category(vote_on(n, call)) for n, call in enumerate(row)] for rater, row in calls.items()}
    tables = [
        np.bincount([2 * a + b for a, b in zip(called[one], called[other])], minlength=4).reshape(2, 2)
        for one, other in itertools.combinations(calls, 2)
    ]
    assert found
    assert found.value == pytest.approx(cohen_kappas(np.array(tables)).mean())
