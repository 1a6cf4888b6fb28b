import math

import pytest

from services.reward.scores import MemberScore, combine
from services.storage.models import Version

A, B = (Version(name, "1.0-00000000", "d", 0.0) for name in "ab")


def test_one_model_has_no_spread() -> None:
    score = combine([MemberScore(A, raw=1.5, offset=0.5)])
    assert (score.raw, score.normalized, score.member_scores, score.spread) == (1.5, 1.0, (1.0,), 0.0)


def test_an_ensemble_averages_and_spreads_over_normalised_scores() -> None:
    score = combine([MemberScore(A, raw=1.5, offset=0.5), MemberScore(B, raw=4.0, offset=1.0, truncated=True)])
    assert score.raw == pytest.approx(2.75)
    assert score.normalized == pytest.approx(2.0)
    assert score.member_scores == (1.0, 3.0)
    assert score.spread == pytest.approx(1.0)
    assert score.truncated
    assert score.versions == (A, B)


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_a_logit_that_is_no_number_is_an_error_and_no_zero(raw: float) -> None:
    score = combine([MemberScore(A, raw=1.0), MemberScore(B, raw=raw)])
    assert score.error == f"b@1.0-00000000 gave {raw}"
    assert score.versions == ()
