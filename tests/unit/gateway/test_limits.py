import pytest

from services.gateway.access import network
from services.gateway.limits import MAX_CLIENTS, Busy, Concurrency, RateLimit
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


def test_a_place_is_the_persons_who_came_and_free_again_afterwards() -> None:
    concurrency = Concurrency(most=3, of_one=1)
    with concurrency.one("address") as first:
        with pytest.raises(Busy, match="address has 1"), concurrency.one("address"):
            pass
        first.belongs_to("anna")
        with concurrency.one("address") as second:
            with pytest.raises(Busy, match="anna has 1"):
                second.belongs_to("anna")
            with concurrency.one("elsewhere"), pytest.raises(Busy, match="too many"), concurrency.one("nobody"):
                pass
    with concurrency.one("address") as place:
        place.belongs_to("anna")


def test_a_network_of_ipv6_is_one_client() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1") != network("2001:db8:0:1::1")
    assert network("10.0.0.1") != network("10.0.0.2")
    assert network("::ffff:10.0.0.1") != network("::ffff:10.0.0.2")
