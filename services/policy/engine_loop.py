"""Steps an engine in the model thread for as long as anybody waits for its tokens.

The asyncio side never touches the engine: what joins and what leaves is handed over between two steps. Several
loops, one per model in memory, share the thread and take turns step by step.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from services.language_model.engine import Engine
from services.language_model.generation import Event, Request
from services.policy.metrics import PolicySeries
from services.serving.token_admission import TokenAdmission


@dataclass(eq=False)
class Call:
    """The sequences of one request and the events that nobody has read yet."""

    requests: Sequence[Request]
    arrived: float = field(default_factory=time.monotonic)
    events: asyncio.Queue[tuple[int, Event] | Exception] = field(default_factory=asyncio.Queue)
    handles: dict[int, int] = field(default_factory=dict)  # to the index of the request
    unfinished: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)  # none of its sequences is in the engine any more


class EngineLoop:
    def __init__(self, engine: Engine, executor: Executor, admission: TokenAdmission):
        self._engine = engine
        self._executor = executor
        self._admission = admission
        self._series: PolicySeries | None = None  # of the model that the engine holds, from the first call on
        self._joining: list[Call] = []
        self._leaving: list[Call] = []
        self._calls: dict[int, Call] = {}  # by the handles that still run
        self._task: asyncio.Task[None] | None = None
        self._counted = (0, 0)

    def alone(self) -> "EngineLoop":
        """A loop over the same weights with an empty engine: its batches hold one request and nothing else."""
        return EngineLoop(self._engine.fresh(), self._executor, self._admission)

    async def events(
        self, requests: Sequence[Request], series: PolicySeries
    ) -> AsyncGenerator[tuple[int, Event], None]:
        """(index into requests, event) until each is finished. Leaving early frees the slots before it returns."""
        call = Call(requests)
        self._series = series
        self._joining.append(call)
        series.num_waiting += len(requests)
        series.waits(call, call.arrived)
        self._task = self._task or asyncio.create_task(self._run())
        unfinished = len(requests)
        try:
            while unfinished:
                item = await call.events.get()
                if isinstance(item, Exception):
                    raise item
                unfinished -= item[1].generation is not None
                yield item
        finally:
            await self._leave(call)

    async def _leave(self, call: Call) -> None:
        if call in self._joining:
            self._joining.remove(call)
            self._joins([call])
        elif not call.left.is_set():
            self._leaving.append(call)
            await call.left.wait()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._joining or self._leaving or self._calls:
            joining, self._joining = self._joining, []
            leaving, self._leaving = self._leaving, []
            started = time.monotonic()
            try:
                events = await loop.run_in_executor(self._executor, self._turn, joining, leaving)
            except Exception as error:
                self._joins(joining)
                self._fail(error, joining + leaving)
            else:
                self._register(joining, leaving)
                self._deliver(events)
                self._measure(time.monotonic() - started)
        self._task = None

    def _turn(self, joining: list[Call], leaving: list[Call]) -> list[Event]:
        """In the model thread."""
        for call in leaving:
            for handle in call.handles:
                self._engine.abort(handle)
        for call in joining:
            call.handles = {self._engine.add(request): i for i, request in enumerate(call.requests)}
        return self._engine.step()

    def _register(self, joining: list[Call], leaving: list[Call]) -> None:
        self._joins(joining)
        for call in joining:
            self._calls |= dict.fromkeys(call.handles, call)
            call.unfinished = len(call.handles)
        for call in leaving:
            for handle in call.handles:
                self._calls.pop(handle, None)
            call.left.set()

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            call = self._calls.get(event.handle)
            if call is None:
                continue
            call.events.put_nowait((call.handles[event.handle], event))
            if event.generation:
                del self._calls[event.handle]
                call.unfinished -= 1
                if not call.unfinished:
                    call.left.set()

    def _fail(self, error: Exception, others: list[Call]) -> None:
        """A step that failed leaves the engine in no known state: its sequences fail, the next ones start afresh."""
        for call in {*self._calls.values(), *others}:
            call.events.put_nowait(error)
            call.left.set()
        self._calls.clear()
        self._engine = self._engine.fresh()
        self._measure(0)

    def _joins(self, calls: list[Call]) -> None:
        """From now on the engine's own counts hold what they wait for."""
        assert self._series is not None, "a call comes with a series"
        for call in calls:
            self._series.num_waiting -= len(call.requests)
            self._series.waits_no_more(call)

    def _measure(self, seconds: float) -> None:
        """Between two steps. Other loops of the same model count into the same series."""
        assert self._series is not None
        running, waiting = self._engine.num_running, self._engine.num_waiting
        self._series.num_running += running - self._counted[0]
        self._series.num_waiting += waiting - self._counted[1]
        self._counted = running, waiting
        if oldest := self._calls.get(self._engine.first_waiting):
            self._series.waits(self, oldest.arrived)
        else:
            self._series.waits_no_more(self)
        if running:
            self._series.batch_size.observe(running)
            self._series.token_time.observe(seconds)
            self._admission.measured(running, seconds)
