"""Two ways of doing the same work, timed in turn within one run, so that a busy machine slows both."""

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_SPREAD = 2.0  # of the ratios: the largest over the smallest


@dataclass(frozen=True)
class Target:
    """On the ratio: throughput against the peer's where it must be `at_least`, time where it must be `at_most`."""

    at_least: float | None = None
    at_most: float | None = None

    @property
    def set(self) -> bool:
        return self.at_least is not None or (self.at_most is not None and self.at_most < math.inf)

    def met(self, ratio: float) -> bool:
        return (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)

    def __str__(self) -> str:
        if not self.set:
            return "none, for comparison"
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@dataclass(frozen=True)
class Result:
    """`amount` units of work took each side that many seconds, repeat by repeat."""

    name: str
    peer: str  # what it is measured against
    amount: float
    unit: str
    seconds: list[float]
    peer_seconds: list[float]
    target: Target
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """One per repeat: time over the peer's time for an `at_most` target, else throughput over the peer's."""
        pairs = zip(self.seconds, self.peer_seconds, strict=True)
        return [own / peer if self.target.at_most is not None else peer / own for own, peer in pairs]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def steady(self) -> bool:
        """Whether the repeats agree well enough to speak of one ratio; they do not while others use the machine."""
        return max(self.ratios) <= MOST_SPREAD * min(self.ratios)

    @property
    def rate(self) -> float:
        return self.amount / statistics.median(self.seconds)

    @property
    def peer_rate(self) -> float:
        return self.amount / statistics.median(self.peer_seconds)


def alternate(own: Callable[[], object], peer: Callable[[], object], repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of both, after one unmeasured run of each; who goes first changes from repeat to repeat."""
    own()
    peer()
    seconds: dict[Callable[[], object], list[float]] = {own: [], peer: []}
    for repeat in range(repeats):
        for work in (own, peer) if repeat % 2 == 0 else (peer, own):
            seconds[work].append(timed(work))
    return seconds[own], seconds[peer]


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
