import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from prometheus_client import CollectorRegistry

from services.runtime.errors import InvalidInput, Overloaded
from services.serving.batching import TokenBatcher
from services.serving.metrics import Definitions, ModelSeries, ServingMetrics

DEFINITIONS = Definitions("test", "items")
METRICS = ServingMetrics(DEFINITIONS, partial(ModelSeries, DEFINITIONS), CollectorRegistry())


class Lengths:
    """Computes an item's length, and remembers the batches; `gate` holds the model thread."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, lane: str, items: list[str]) -> list[int]:
        self.gate.wait(10)
        if "" in items:
            raise ZeroDivisionError("an empty item")
        self.batches.append((lane, [len(item) for item in items]))
        return [len(item) for item in items]


@pytest.fixture
def compute() -> Lengths:
    return Lengths()


@pytest.fixture
def batcher(compute: Lengths):
    with ThreadPoolExecutor(1) as executor:
        yield TokenBatcher[str, str, int](compute, executor, batch_tokens=12, queue_tokens=100)
        compute.gate.set()


def series_of(lane: str) -> ModelSeries:
    return METRICS.of(lane)


def ask(batcher: TokenBatcher, lane: str, *lengths: int, **options) -> asyncio.Task[list[int]]:
    return asyncio.create_task(batcher.submit(lane, ["x" * n for n in lengths], lengths, series_of(lane), **options))


async def busy(batcher: TokenBatcher, compute: Lengths) -> asyncio.Task[list[int]]:
    """The model thread is taken, so that what comes next waits together."""
    compute.gate.clear()
    task = ask(batcher, "first", 1)
    await asyncio.sleep(0.02)
    return task


async def test_requests_that_wait_share_batches_sorted_by_length_under_the_budget(batcher, compute) -> None:
    first = await busy(batcher, compute)
    one, two = ask(batcher, "a", 3, 6, 2), ask(batcher, "a", 5, 1)
    await asyncio.sleep(0)
    compute.gate.set()
    assert await asyncio.gather(first, one, two) == [[1], [3, 6, 2], [5, 1]]
    assert compute.batches[1:] == [("a", [6, 5]), ("a", [3, 2, 1])]
    assert batcher.admission.tokens == 0


async def test_an_item_longer_than_the_budget_goes_alone(batcher, compute) -> None:
    assert await ask(batcher, "a", 20, 1) == [20, 1]
    assert compute.batches == [("a", [20]), ("a", [1])]


async def test_lanes_and_lone_requests_are_not_mixed(batcher, compute) -> None:
    first = await busy(batcher, compute)
    tasks = [ask(batcher, "a", 1), ask(batcher, "b", 2), ask(batcher, "a", 3, alone=True), ask(batcher, "a", 4)]
    await asyncio.sleep(0)
    compute.gate.set()
    assert await asyncio.gather(first, *tasks) == [[1], [1], [2], [3], [4]]
    assert compute.batches[1:] == [("a", [4, 1]), ("b", [2]), ("a", [3])]


async def test_a_full_queue_refuses_at_once_and_says_when_to_retry(batcher, compute) -> None:
    first = await busy(batcher, compute)
    waiting = ask(batcher, "a", 90)
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="91 of 100 tokens are taken") as refused:
        await batcher.submit("a", ["x" * 20], [20], series_of("a"))
    assert refused.value.retry_after > 0
    compute.gate.set()
    assert await asyncio.gather(first, waiting) == [[1], [90]]
    assert await ask(batcher, "a", 20) == [20]


async def test_a_request_that_never_fits_is_no_overload(batcher) -> None:
    with pytest.raises(InvalidInput, match="request: got 101 tokens, expected at most 100"):
        await batcher.submit("a", ["x" * 101], [101], series_of("a"))


async def test_what_nobody_waits_for_any_more_is_not_computed(batcher, compute) -> None:
    first = await busy(batcher, compute)
    given_up, fine = ask(batcher, "a", 3), ask(batcher, "a", 4)
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    compute.gate.set()
    assert await asyncio.gather(first, fine) == [[1], [4]]
    assert compute.batches[1:] == [("a", [4])]
    assert batcher.admission.tokens == 0


async def test_a_failing_batch_fails_its_requests_and_no_others(batcher, compute) -> None:
    with pytest.raises(ZeroDivisionError):
        await ask(batcher, "a", 0)
    assert await ask(batcher, "a", 1) == [1]
