import time

import pytest

from tests.benchmarks.measurement import Result, Target, alternate


def result(target: Target) -> Result:
    return Result(
        "a", "b", amount=100, unit="tokens", seconds=[1.0, 2.0, 4.0], peer_seconds=[2.0, 4.0, 4.0], target=target
    )


def test_throughput_and_time_ratios_point_opposite_ways() -> None:
    assert result(Target(at_least=1.5)).ratios == [2.0, 2.0, 1.0]
    assert result(Target(at_most=1.25)).ratios == [0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("target", "ratio", "met"),
    [
        (Target(at_least=1.5), 1.5, True),
        (Target(at_least=1.5), 1.4, False),
        (Target(at_most=1.25), 1.25, True),
        (Target(at_most=1.25), 1.3, False),
    ],
)
def test_targets(target: Target, ratio: float, met: bool) -> None:
    assert target.met(ratio) is met


def test_both_sides_are_timed_in_turn_after_a_warm_up() -> None:
    order: list[str] = []
    own, peer = alternate(lambda: order.append("own"), lambda: order.append("peer"), repeats=2)
    assert order == ["own", "peer", "own", "peer", "peer", "own"]
    assert len(own) == len(peer) == 2


def test_seconds_belong_to_the_side_that_took_them() -> None:
    own, peer = alternate(lambda: time.sleep(0.02), lambda: None, repeats=2)
    assert min(own) > 0.015 > max(peer)
