"""What people ask of runs, and what workers tell about them. No gRPC here."""

import asyncio
import dataclasses
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence

from services.runtime.errors import AlreadyExists, Conflict, InvalidInput, Problem
from services.trainer import logs
from services.trainer.attempts import Step
from services.trainer.events import Event
from services.trainer.history import Happening, happenings
from services.trainer.logs import LogText
from services.trainer.recipes import RunSpec
from services.trainer.records import RunRecord, RunState, Transition
from services.trainer.runs import Run, Runs
from services.trainer.validation import Validator

MAX_REQUEST_ID = 128
MAX_ADDRESS = 256


class Control:
    def __init__(self, runs: Runs, validator: Validator, max_running: int) -> None:
        self._runs = runs
        self._validator = validator
        self._max_running = max_running
        self._creating = asyncio.Lock()

    async def create(self, spec: RunSpec, request_id: str, refused: Sequence[Problem] = ()) -> Run:
        """The same `request_id` gives the same run, also from a later control plane.

        Raises InvalidInput with every problem of the spec, `refused` among them, AlreadyExists when the id came with
        another spec before.
        """
        if len(request_id) > MAX_REQUEST_ID:
            raise InvalidInput(Problem("request_id", f"{len(request_id)} characters", f"at most {MAX_REQUEST_ID}"))
        run_id, digest = _run_id(request_id), _digest(spec)
        async with self._creating:
            if run := self._runs.find(run_id):
                return _same_request(run, digest, request_id)
            pinned = await asyncio.to_thread(self._validator.pinned, spec, refused)
            record = RunRecord(run_id, digest, (now := time.time()), self._first_transitions(now))
            return await asyncio.to_thread(self._runs.add, record, pinned)

    def _first_transitions(self, now: float) -> tuple[Transition, ...]:
        accepted = Transition(1, RunState.QUEUED, "", now)
        why = self._runs.why_wait(self._max_running)
        return (accepted, Transition(1, RunState.QUEUED, why, now)) if why else (accepted,)

    def get(self, run_id: str) -> Run:
        return self._runs.get(run_id)

    def newest_first(self) -> list[Run]:
        return self._runs.newest_first()

    async def cancel(self, run_id: str) -> Run:
        """Of a run that was cancelled already, nothing new. Raises Conflict for one that ended otherwise."""
        run = self._runs.get(run_id)
        async with run.lock:
            if run.record.state in (RunState.SUCCEEDED, RunState.FAILED):
                raise Conflict(f"run {run_id} has {run.record.state} already")
            if run.record.state is not RunState.CANCELLED:
                await self._runs.enter(run, RunState.CANCELLED, "somebody cancelled it")
        return run

    async def resume(self, run_id: str) -> Run:
        """Raises Conflict for a run that is under way or succeeded."""
        run = self._runs.get(run_id)
        async with run.lock:
            if run.record.state not in (RunState.FAILED, RunState.CANCELLED):
                raise Conflict(f"run {run_id} is {run.record.state}; only failed and cancelled runs are resumed")
            if run.record.launch:
                raise Conflict(f"the worker of run {run_id} has not stopped yet; try again in a moment")
            await self._runs.next_attempt(run, "somebody resumed it", crashes=0, pruned=False)
        return run

    async def report(self, run_id: str, attempt: int, step: Step | None, metrics_address: str) -> bool:
        """A step, or a sign of life without one. True: this attempt has to stop."""
        run = self._runs.get(run_id)
        if attempt != run.record.attempt or run.record.state.ended:
            return True
        run.seen = time.monotonic()
        run.metrics_address = metrics_address[:MAX_ADDRESS]
        if step is not None:
            await self._runs.add_step(run, _known_stage(run, step))
        return False

    async def watch(self, run_id: str, after_event: int) -> AsyncIterator[tuple[Run, Event]]:
        """From the beginning, or after an event seen before; ends when the run does."""
        run = self._runs.get(run_id)
        events = await self._runs.open_events(run)
        async for event in events.follow(after_event):
            yield run, event

    async def happenings(self, run_id: str) -> list[Happening]:
        """Oldest first."""
        record = self._runs.get(run_id).record
        return await asyncio.to_thread(lambda: list(happenings(self._runs.store, record)))

    def stream_logs(self, run_id: str, follow: bool) -> AsyncIterator[LogText]:
        run = self._runs.get(run_id)
        return logs.stream(self._runs.store, run_id, lambda: run.record.attempt, lambda: run.settled, follow)


def _run_id(request_id: str) -> str:
    """Made from the request, so that no index is needed to find the run of a request that comes again."""
    return f"run-{hashlib.sha256((request_id or uuid.uuid4().hex).encode()).hexdigest()[:10]}"


def _digest(spec: RunSpec) -> str:
    return hashlib.sha256(json.dumps(dataclasses.asdict(spec), sort_keys=True).encode()).hexdigest()


def _same_request(run: Run, digest: str, request_id: str) -> Run:
    if run.record.request_digest != digest:
        raise AlreadyExists(f"request {request_id!r} made run {run.record.id} from another spec")
    return run


def _known_stage(run: Run, step: Step) -> Step:
    if step.stage not in run.stages:
        raise InvalidInput(Problem("step.stage", repr(step.stage), f"one of {', '.join(run.stages)}"))
    return step
