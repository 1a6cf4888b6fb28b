import numpy as np
import pytest

from services.feedback.intervals import ratio, share


def test_wilson_of_published_values() -> None:
    """Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662, 0 of 20 is 0 to 0.1611."""
    found, none = share(81, 263), share(0, 20)
    assert found
    assert none
    assert (found.low, found.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    assert (none.low, none.high) == (0, pytest.approx(0.1611, abs=1e-4))
    assert share(0, 0) is None


def test_wilson_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [share(int(hits), 40) for hits in rng.binomial(40, 0.85, 1000)]
    assert sum(e is not None and e.low <= 0.85 <= e.high for e in found) / 1000 == pytest.approx(0.95, abs=0.03)


def test_a_ratio_of_sums_has_an_interval_about_it() -> None:
    rng = np.random.default_rng(0)
    found = ratio(rng.binomial(1, 0.3, 500), np.ones(500))
    assert found
    assert found.low < 0.3 < found.high
    assert found.high - found.low == pytest.approx(4 * (0.3 * 0.7 / 500) ** 0.5, rel=0.15)
    assert ratio([], []) is None
