"""Runs: training that a worker does, started and steered from here."""

import uuid
from dataclasses import replace
from typing import Any, Generic, TypeVar

from rlhf.calls import Async, Fold, Steps, Stream, Sync, Unary, method, streaming
from rlhf.errors import DeadlineError, RunFailedError
from rlhf.placement import Placement
from rlhf.run import Run, RunEvent, StepEvent, happening_from, run_from, update
from rlhf.run_streams import Outcome, logs, watch
from rlhf.specs import Spec, run_spec
from rlhf.v1 import trainer_pb2
from rlhf.wires import AsyncWire, SyncWire


def _get(run_id: str, timeout: float = 30.0) -> Unary[Run]:
    return Unary("GetRun", trainer_pb2.GetRunRequest(run_id=run_id), lambda response: run_from(response.run), timeout)


def _events(run_id: str, timeout: float) -> Unary[list[RunEvent]]:
    def read(response: trainer_pb2.ListRunEventsResponse) -> list[RunEvent]:
        return [happening_from(event) for event in response.events]

    return Unary("ListRunEvents", trainer_pb2.ListRunEventsRequest(run_id=run_id), read, timeout)


def _wait(run: Run, timeout: float | None) -> Steps[Run]:
    try:
        yield Fold(watch(run.id, 0, timeout), lambda: Outcome(run))
    except DeadlineError:
        where = f"{run.stage} {run.step}/{run.total_steps}" if run.stage else "no stage yet"
        raise DeadlineError(f"run {run.id} is still {run.state} ({where}) after {timeout:g} s; it goes on") from None
    if not run.done:
        update(run, (yield _get(run.id)))
    if run.state != "succeeded":
        raise RunFailedError(run)
    return run


class RunActions(Run):
    """A run and what can be done with it; each action brings its fields up to date."""

    @method
    def wait(self, *, timeout: float | None = None) -> Steps[Run]:
        """Returns the run once it succeeded; raises RunFailedError where it failed or was cancelled.

        Outlives a restart of the control plane. After `timeout` seconds it raises DeadlineError; the run goes on.
        """
        return _wait(self, timeout)

    @streaming
    def watch(self, *, after_event: int = 0, timeout: float | None = None) -> Stream[StepEvent]:
        """Every step and change of state from the beginning, or from `after_event`, until the run ends."""
        return watch(self.id, after_event, timeout)

    @streaming
    def logs(self, *, follow: bool = False, timeout: float | None = None) -> Stream[str]:
        """Whole lines of what the workers wrote; `follow` goes on until the run ends."""
        return logs(self.id, follow, timeout)

    @method
    def events(self, *, timeout: float = 30.0) -> Unary[list[RunEvent]]:
        """What happened to the run and its workers so far, oldest first."""
        return _events(self.id, timeout)

    @method
    def refresh(self, *, timeout: float = 30.0) -> Unary[Run]:
        """Asks how the run is now."""
        return replace(_get(self.id, timeout), read=self._update)

    @method
    def cancel(self, *, timeout: float = 30.0) -> Unary[Run]:
        return Unary("CancelRun", trainer_pb2.CancelRunRequest(run_id=self.id), self._update, timeout)

    @method
    def resume(self, *, timeout: float = 60.0) -> Unary[Run]:
        """Starts a new attempt of a run that failed or was cancelled, from its last checkpoint."""
        request = trainer_pb2.ResumeRunRequest(run_id=self.id)
        return Unary("ResumeRun", request, self._update, timeout, repeatable=False)

    def _update(self, response: Any) -> Run:
        return update(self, run_from(response.run))


class RunHandle(RunActions, Sync):
    def __init__(self, wire: SyncWire, run: Run) -> None:
        self.wire = wire
        update(self, run)


class AsyncRunHandle(RunActions, Async):
    def __init__(self, wire: AsyncWire, run: Run) -> None:
        self.wire = wire
        update(self, run)


Handle = TypeVar("Handle", RunHandle, AsyncRunHandle)


class RunCalls(Generic[Handle]):
    wire: Any
    handle: type[Handle]

    @method
    def create(
        self,
        spec: Spec,
        *,
        name: str,
        seed: int = 0,
        deterministic: bool = False,
        threads: int = 0,
        placement: Placement | None = None,
        deadline: int = 0,
        request_id: str | None = None,
        timeout: float = 60.0,
    ) -> Unary[Handle]:
        """Starts a run, after the whole spec was checked. `name` becomes the resulting model's.

        Asked twice with one `request_id`, the service starts one run; without, this call makes its own, so that
        its retries are safe. `threads` are those of the worker, 0 for the service's setting. An attempt that takes
        longer than `deadline` seconds has failed, and the run with it; 0: none.
        """
        message = run_spec(
            spec,
            placement,
            name=name,
            seed=seed,
            deterministic=deterministic,
            threads=threads,
            deadline_seconds=deadline,
        )
        request = trainer_pb2.CreateRunRequest(spec=message, request_id=request_id or uuid.uuid4().hex)
        return Unary("CreateRun", request, self._handle, timeout)

    @method
    def get(self, run_id: str, *, timeout: float = 30.0) -> Unary[Handle]:
        return Unary("GetRun", trainer_pb2.GetRunRequest(run_id=run_id), self._handle, timeout)

    @method
    def events(self, run_id: str, *, timeout: float = 30.0) -> Unary[list[RunEvent]]:
        """What happened to a run and its workers so far, oldest first."""
        return _events(run_id, timeout)

    @method
    def list(self, *, timeout: float = 30.0) -> Unary[list[Handle]]:
        """All runs, newest first."""

        def read(response: trainer_pb2.ListRunsResponse) -> Any:
            return [self.handle(self.wire, run_from(run)) for run in response.runs]

        return Unary("ListRuns", trainer_pb2.ListRunsRequest(), read, timeout)

    @method
    def cancel(self, run_id: str, *, timeout: float = 30.0) -> Unary[Handle]:
        return Unary("CancelRun", trainer_pb2.CancelRunRequest(run_id=run_id), self._handle, timeout)

    @method
    def resume(self, run_id: str, *, timeout: float = 60.0) -> Unary[Handle]:
        """Starts a new attempt of a run that failed or was cancelled, from its last checkpoint."""
        request = trainer_pb2.ResumeRunRequest(run_id=run_id)
        return Unary("ResumeRun", request, self._handle, timeout, repeatable=False)

    @streaming
    def watch(self, run_id: str, *, after_event: int = 0, timeout: float | None = None) -> Stream[StepEvent]:
        """Every step and change of state from the beginning, or from `after_event`, until the run ends.

        A dropped connection is taken up again after the last event that arrived.
        """
        return watch(run_id, after_event, timeout)

    @streaming
    def logs(self, run_id: str, *, follow: bool = False, timeout: float | None = None) -> Stream[str]:
        """Whole lines of what the workers wrote; `follow` goes on until the run ends."""
        return logs(run_id, follow, timeout)

    def _handle(self, response: Any) -> Handle:
        return self.handle(self.wire, run_from(response.run))


class Runs(RunCalls[RunHandle], Sync):
    """`client.runs`"""

    handle = RunHandle


class AsyncRuns(RunCalls[AsyncRunHandle], Async):
    """`client.runs` of an AsyncClient."""

    handle = AsyncRunHandle
