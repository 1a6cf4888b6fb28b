"""Two models that share nothing compute at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

import torch

from services.trainer.worker.ranks import Ranks

First = TypeVar("First")
Second = TypeVar("Second")


class Both(Protocol):
    def __call__(self, first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]: ...


def one_after_the_other(first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    return first(), second()


class SideBySide:
    """Each in a thread of its own, with half of torch's threads.

    A model computes in hundreds of operations, and threads that share one meet after each; these meet once.
    """

    def __init__(self, threads: int) -> None:
        share = max(1, threads // 2)
        self._executor = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(share,))

    def __call__(self, first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
        with_grad = torch.is_grad_enabled()  # as known to this thread alone

        def run(work: Callable[[], First | Second]) -> First | Second:
            with torch.set_grad_enabled(with_grad):
                return work()

        one, other = self._executor.submit(run, first), self._executor.submit(run, second)
        wait((one, other))  # an error of one finds the other at rest
        return one.result(), other.result()  # type: ignore[return-value]


def both(ranks: Ranks, threads: int) -> Both:
    """Side by side where there are cores for it. Several ranks have to meet in one order, which threads do not keep."""
    alone = ranks.size == 1 and ranks.device.type == "cpu"
    return SideBySide(threads) if alone and threads > 1 else one_after_the_other
