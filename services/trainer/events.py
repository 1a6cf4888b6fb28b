"""The history of a run as a sequence of events that a watcher can leave and come back to.

An event's id is its position: attempt, then stage, then step, then what happened after that step. So ids count up, mean
the same after a restart of the control plane, and need no storage of their own: everything is rebuilt from the record
and the workers' metrics.
"""

import asyncio
import bisect
from collections.abc import AsyncIterator
from dataclasses import dataclass

from services.storage.object_store import ObjectStore
from services.trainer.attempts import Attempt, Base, Step
from services.trainer.records import RunRecord, RunState, Transition

# 2^28 steps a stage, 15 events between two of them, 255 stages a run; a JavaScript number holds 8191 attempts.
ATTEMPT_BITS, STAGE_BITS, STEP_BITS = 40, 32, 4
RUNNING = 1 << 31  # transitions of an attempt before its first step: those while it waits, then those while it runs
LAST_STAGE = 255


@dataclass(frozen=True)
class Event:
    """A change of state, or one step of a running attempt."""

    id: int
    transition: Transition  # the newest at that moment
    step: Step | None = None


def step_id(attempt: int, stage: int, step: int) -> int:
    """Step 0 of the first stage comes after the attempt's own transitions."""
    return attempt << ATTEMPT_BITS | (stage + 1) << STAGE_BITS | step << STEP_BITS


class EventLog:
    """Events of one run in order; watchers wait for more until it is closed."""

    def __init__(self, stages: list[str]) -> None:
        self._stages = stages
        self._events: list[Event] = []
        self._changed = asyncio.Event()
        self.closed = False

    @property
    def last_step(self) -> Step | None:
        return next((event.step for event in reversed(self._events) if event.step), None)

    def add_transition(self, transition: Transition) -> None:
        self._add(Event(self._transition_id(transition), transition))
        self.closed = transition.state.ended
        self._wake()

    def add_step(self, transition: Transition, step: Step) -> None:
        self._add(Event(step_id(transition.attempt, self._stages.index(step.stage), step.step), transition, step))
        self._wake()

    def supersede(self, base: Base) -> None:
        """A new attempt goes on from `base`: the steps past it will be done again and no longer count."""
        stage = self._stages.index(base.stage) if base.stage else 0
        cut = step_id(base.attempt, stage, base.step)
        self._events = [e for e in self._events if e.step is None or e.id <= cut]

    def after(self, event_id: int) -> list[Event]:
        return self._events[bisect.bisect_right(self._events, event_id, key=lambda e: e.id) :]

    async def follow(self, after: int) -> AsyncIterator[Event]:
        """Ends when the run does. A watcher that is slow misses nothing."""
        while True:
            changed = self._changed
            for event in self.after(after):
                after = event.id
                yield event
            if self.closed and not self.after(after):
                return
            if changed is self._changed:
                await changed.wait()

    def _transition_id(self, transition: Transition) -> int:
        """A run waits for one thing after another, and its worker may be adopted more than once: those are counted."""
        start = transition.attempt << ATTEMPT_BITS
        if transition.state.ended:
            return start | LAST_STAGE << STAGE_BITS
        if transition.stage:
            start = step_id(transition.attempt, self._stages.index(transition.stage), transition.step) + 1
        elif transition.state is RunState.RUNNING:
            start |= RUNNING
        known = [event.transition for event in self._events if event.step is None]
        return start + sum(_place(t) == _place(transition) for t in known)

    def _add(self, event: Event) -> None:
        """What is told twice is kept once."""
        index = bisect.bisect_left(self._events, event.id, key=lambda e: e.id)
        if index == len(self._events) or self._events[index].id != event.id:
            self._events.insert(index, event)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _place(transition: Transition) -> tuple[int, RunState, str, int]:
    return transition.attempt, transition.state, transition.stage, transition.step


def rebuild(store: ObjectStore, record: RunRecord, stages: list[str]) -> EventLog:
    log = EventLog(stages)
    reached: set[tuple[int, RunState]] = set()
    for transition in record.history:
        attempt = Attempt(store, record.id, transition.attempt)
        first = (transition.attempt, transition.state) not in reached
        reached.add((transition.attempt, transition.state))
        if first and transition.state is RunState.QUEUED:
            log.supersede(attempt.base())
        log.add_transition(transition)
        if first and transition.state is RunState.RUNNING:
            for stage in stages:
                for step in attempt.steps(stage):
                    log.add_step(transition, step)
    return log
