import pytest

from services.gateway.limits import MAX_CLIENTS, RateLimit
from services.runtime.errors import Overloaded


def test_a_client_has_a_burst_and_then_a_rate() -> None:
    now = [0.0]
    limit = RateLimit(per_second=2, burst=3, clock=lambda: now[0])
    for _ in range(3):
        limit.take("a")
    with pytest.raises(Overloaded) as caught:
        limit.take("a")
    assert caught.value.retry_after == 0.5
    limit.take("b")
    now[0] = 0.5
    limit.take("a")
    with pytest.raises(Overloaded):
        limit.take("a")


def test_quiet_clients_are_forgotten_and_busy_ones_are_not() -> None:
    limit = RateLimit(per_second=0.001, burst=1, clock=lambda: 0.0)
    limit.take("busy")
    for number in range(MAX_CLIENTS - 1):
        limit.take(str(number))
    with pytest.raises(Overloaded):
        limit.take("busy")
    limit.take("another")
    with pytest.raises(Overloaded):
        limit.take("busy")
    limit.take("0")  # whose bucket went when another client came
