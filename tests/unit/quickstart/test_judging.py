import numpy as np

from services.quickstart.judging import _recovered_interval


def test_the_interval_of_the_recovered_share_covers_the_truth() -> None:
    """A judge that follows the likelier side recovers everything; its labels are drawn with those chances."""
    rng = np.random.default_rng(1)
    chance_N = rng.uniform(0.5, 1, 2000)
    right_N = rng.random(2000) < chance_N
    low, high = _recovered_interval(right_N, chance_N, [f"prompt {i // 4}" for i in range(2000)])
    assert low < 1 < high
    assert high - low < 0.2


def test_a_coin_recovers_nothing() -> None:
    rng = np.random.default_rng(2)
    low, high = _recovered_interval(rng.random(2000) < 0.5, np.full(2000, 0.8), [str(i) for i in range(2000)])
    assert low < 0 < high
