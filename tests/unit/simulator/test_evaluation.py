import numpy as np

from services.simulator.evaluation import Judged, effect, effect_at_matched_length

RNG = np.random.default_rng(0)
FAMILIES = ["how_to"] * 100 + ["list"] * 100
SUBJECTS = [f"subject {i}" for i in range(200)]


def judged(gold: np.ndarray, words: np.ndarray) -> Judged:
    return Judged(FAMILIES, SUBJECTS, gold, words)


def test_the_interval_covers_a_known_difference() -> None:
    words = RNG.integers(5, 30, (200, 4))
    base = RNG.normal(0, 1, (200, 4))
    result = effect(judged(base + 0.5 + RNG.normal(0, 0.3, (200, 4)), words), judged(base, words))
    assert result.low < 0.5 < result.high
    assert result.high - result.low < 0.2
    assert result.above(0.3)
    assert not result.above(0.6)


def test_a_gain_that_is_length_alone_vanishes_at_matched_length() -> None:
    short, long = RNG.integers(5, 25, (200, 8)), RNG.integers(10, 30, (200, 8))
    by_length = [0.1 * words + RNG.normal(0, 0.1, (200, 8)) for words in (long, short)]
    better, worse = judged(by_length[0], long), judged(by_length[1], short)
    assert effect(better, worse).low > 0.3
    matched = effect_at_matched_length(better, worse)
    assert abs(matched.mean) < 0.1
    assert not matched.above(0.2)


def test_models_that_share_no_length_are_not_compared() -> None:
    ones = np.ones((200, 2), int)
    matched = effect_at_matched_length(judged(RNG.normal(0, 1, (200, 2)), 3 * ones), judged(ones * 1.0, 90 * ones))
    assert np.isnan(matched.mean)
    assert not matched.above(0.0)
    assert matched.coverage == 0


def test_prompts_about_one_subject_count_as_one() -> None:
    """Ten copies of every prompt are no more evidence than one."""
    words = np.ones((200, 1), int)
    gain = np.repeat(RNG.normal(0.5, 1, (20, 1)), 10, axis=0)
    subjects = [f"subject {i // 10}" for i in range(200)]
    clustered = effect(Judged(["list"] * 200, subjects, gain, words), Judged(["list"] * 200, subjects, 0 * gain, words))
    naive = effect(judged(gain, words), judged(0 * gain, words))
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)
