import pytest

from services.runtime.errors import InvalidInput, Overloaded
from services.serving.token_admission import LONGEST_RETRY, SHORTEST_RETRY, TokenAdmission


def test_tokens_count_until_the_request_is_answered_or_fails() -> None:
    admission = TokenAdmission(100)
    with admission.admitted(60), admission.admitted(40):
        assert (admission.tokens, admission.requests) == (100, 2)
        with pytest.raises(Overloaded, match="100 of 100 tokens are taken, the request needs 1"), admission.admitted(1):
            pass
    with pytest.raises(ZeroDivisionError), admission.admitted(100):
        raise ZeroDivisionError
    assert (admission.tokens, admission.requests) == (0, 0)


def test_a_request_that_never_fits_is_told_so_instead_of_to_retry() -> None:
    with pytest.raises(InvalidInput, match="at most 100"), TokenAdmission(100).admitted(101):
        pass


def test_the_hint_follows_the_measured_rate_within_bounds() -> None:
    admission = TokenAdmission(1000)
    for _ in range(50):
        admission.measured(tokens=100, seconds=1.0)
    with admission.admitted(1000):
        assert admission.retry_after(500) == pytest.approx(5.0, rel=0.01)
        assert admission.retry_after(1) == SHORTEST_RETRY
        assert admission.retry_after(10**6) == LONGEST_RETRY
