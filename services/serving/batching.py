"""Dynamic batching: requests that wait together are computed together, sorted by length, under a token budget.

Nothing is held back to make a batch larger: an idle model starts at once, and what arrives meanwhile is the next batch.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from services.serving.metrics import ModelSeries
from services.serving.token_admission import TokenAdmission

Lane = TypeVar("Lane", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")

# How many batches' worth of waiting work is sorted together. More packs tighter, and makes the oldest wait longer.
WINDOW_BATCHES = 4


@dataclass(eq=False)
class Job(Generic[Lane, Item, Result]):
    """One request: its items, their lengths in tokens, and the results so far."""

    lane: Lane
    items: Sequence[Item]
    lengths: Sequence[int]
    alone: bool
    series: ModelSeries
    begin: Callable[[], None]  # to be called when it waits no more
    answer: asyncio.Future[list[Result]]
    results: dict[int, Result] = field(default_factory=dict)

    def alive(self) -> bool:
        return not self.answer.done()

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def accept(self, index: int, result: Result) -> None:
        self.results[index] = result
        if len(self.results) == len(self.items) and not self.answer.done():
            self.answer.set_result([self.results[i] for i in range(len(self.items))])


Place = tuple[Job[Lane, Item, Result], int]  # one item: its job and its index there


class TokenBatcher(Generic[Lane, Item, Result]):
    """`compute(lane, items)` runs in `executor`, the one model thread; only items of one lane share a batch."""

    def __init__(
        self,
        compute: Callable[[Lane, list[Item]], Sequence[Result]],
        executor: Executor,
        *,
        batch_tokens: int,
        queue_tokens: int,
    ):
        self.admission = TokenAdmission(queue_tokens)
        self._compute = compute
        self._executor = executor
        self._batch_tokens = batch_tokens
        self._waiting: deque[Job[Lane, Item, Result]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def submit(
        self,
        lane: Lane,
        items: Sequence[Item],
        lengths: Sequence[int],
        series: ModelSeries,
        *,
        alone: bool = False,
    ) -> list[Result]:
        """Results aligned with `items`. `alone`: batched with no other request, always in the same way.

        Raises Overloaded when the queue is full. Whoever no longer waits, as past a deadline, is not computed.
        """
        if not items:
            return []
        answer = asyncio.get_running_loop().create_future()
        with self.admission.admitted(sum(lengths)), series.request() as begin:
            self._waiting.append(Job(lane, items, lengths, alone, series, begin, answer))
            if self._running is None:
                self._running = asyncio.create_task(self._run())
            return await answer

    async def _run(self) -> None:
        while window := self._next_window():
            for batch in pack(window, self._batch_tokens):
                await self._run_batch([place for place in batch if place[0].alive()])
        self._running = None

    def _next_window(self) -> list[Place]:
        """Every item of the oldest job, and of the jobs behind it that may share its batches."""
        window: list[Job[Lane, Item, Result]] = []
        skipped: deque[Job[Lane, Item, Result]] = deque()
        tokens = 0
        while self._waiting and tokens < WINDOW_BATCHES * self._batch_tokens:
            job = self._waiting.popleft()
            if not job.alive():
                continue
            if window and (job.alone or window[0].alone or job.lane != window[0].lane):
                skipped.append(job)
                continue
            job.begin()
            window.append(job)
            tokens += sum(job.lengths)
        self._waiting.extendleft(reversed(skipped))
        return [(job, index) for job in window for index in range(len(job.items))]

    async def _run_batch(self, batch: list[Place]) -> None:
        if not batch:
            return
        started = time.monotonic()
        lane, items = batch[0][0].lane, [job.items[index] for job, index in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._compute, lane, items)
        except Exception as error:
            for job in {job for job, _ in batch}:
                job.fail(error)
            return
        for (job, index), result in zip(batch, results, strict=True):
            job.accept(index, result)
        self.admission.measured(sum(job.lengths[index] for job, index in batch), time.monotonic() - started)
        batch[0][0].series.batch_size.observe(len(batch))


def pack(window: Iterable[Place], batch_tokens: int) -> Iterable[list[Place]]:
    """Longest first, so that a batch's padding is known from its first item; padded tokens stay under the budget."""
    batch: list[Place] = []
    for job, index in sorted(window, key=lambda place: -place[0].lengths[place[1]]):
        longest = batch[0][0].lengths[batch[0][1]] if batch else 0
        if batch and longest * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append((job, index))
    if batch:
        yield batch
