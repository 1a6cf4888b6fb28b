import numpy as np
import pytest

from services.feedback.selection import UNIFORM_SHARE, draw, inclusion, uncertainty

rng = np.random.default_rng(0)


@pytest.mark.parametrize("count", [1, 7, 39, 40, 50])
def test_as_many_are_drawn_as_asked_and_none_twice(count: int) -> None:
    for seed in range(30):
        places, probabilities_N = draw(rng.random(40) + 0.01, count, seed)
        assert len(places) == len(set(places)) == min(count, 40)
        assert probabilities_N.sum() == pytest.approx(min(count, 40))
        assert (probabilities_N <= 1 + 1e-9).all()


def test_the_logged_probability_is_how_often_a_candidate_is_drawn() -> None:
    weights_N = np.array([1, 1, 2, 4, 8, 20.0])
    _, probabilities_N = draw(weights_N, 3, 0)
    counts_N = np.zeros(6)
    for seed in range(4000):
        counts_N[draw(weights_N, 3, seed)[0]] += 1
    assert counts_N / 4000 == pytest.approx(probabilities_N, abs=0.03)
    assert probabilities_N[5] == 1


def test_equal_weights_give_every_prompt_its_share() -> None:
    """Six pairs for each of ten prompts, one item per prompt."""
    for seed in range(20):
        places, probabilities_N = draw(np.ones(60), 10, seed)
        assert sorted(place // 6 for place in places) == list(range(10))
        assert probabilities_N == pytest.approx(1 / 6)


def test_inclusion_is_proportional_below_certainty() -> None:
    assert inclusion(np.array([1, 2, 3.0]), 1) == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert inclusion(np.array([1, 1, 98.0]), 2) == pytest.approx([0.5, 0.5, 1])


def test_an_ensemble_that_is_apart_weighs_more_and_a_failed_score_an_average() -> None:
    a, b = [[1.0, 1.0], [3.0, -3.0], [float("nan")] * 2], [[0.0, 0.0]] * 3
    weights_N = uncertainty(a, b)
    assert weights_N[0] == pytest.approx(UNIFORM_SHARE)
    assert weights_N[1] > weights_N[2] == pytest.approx(1.0)


def test_a_single_model_is_unsure_where_scores_are_close() -> None:
    close, far = uncertainty([[0.1], [9.0]], [[0.0], [0.0]])
    assert close > 5 * far > 0


def test_an_ensemble_of_one_mind_says_nothing() -> None:
    assert uncertainty([[1.0, 1.0], [2.0, 2.0]], [[0.0, 0.0]] * 2).tolist() == [1, 1]
