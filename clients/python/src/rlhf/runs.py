"""Runs: training that a worker does, watched from here."""

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from rlhf.calls import Async, Fold, Steps, Stream, Sync, Unary, method, streaming
from rlhf.errors import DeadlineError, RunFailedError
from rlhf.specs import Spec, run_spec
from rlhf.v1 import trainer_pb2
from rlhf.versions import ModelVersion, version_from
from rlhf.wires import AsyncWire, SyncWire

STATES = {
    trainer_pb2.RUN_STATE_QUEUED: "queued",
    trainer_pb2.RUN_STATE_RUNNING: "running",
    trainer_pb2.RUN_STATE_SUCCEEDED: "succeeded",
    trainer_pb2.RUN_STATE_FAILED: "failed",
    trainer_pb2.RUN_STATE_CANCELLED: "cancelled",
}
FINAL_STATES = ("succeeded", "failed", "cancelled")
# How long a watcher puts up with a control plane that is away, where no timeout says otherwise.
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class StageResult:
    """What a finished stage left: its model (None for an evaluation) and its last metrics."""

    stage: str
    model: ModelVersion | None
    metrics: dict[str, float]


@dataclass
class Run:
    """A run as it was when last heard of. `attempt` counts from 1, `stage` and `step` are under way."""

    id: str
    name: str
    state: str
    reason: str
    attempt: int
    stage: str
    step: int
    total_steps: int
    created_at: datetime
    finished_at: datetime | None
    results: dict[str, StageResult]

    @property
    def done(self) -> bool:
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class StepEvent:
    """A step that was made, or, where `metrics` is empty, a change of the run's state."""

    event: int
    run: Run
    stage: str
    step: int
    total_steps: int
    metrics: dict[str, float]


def run_from(message: trainer_pb2.Run) -> Run:
    return Run(
        id=message.id,
        name=message.spec.name,
        state=STATES.get(message.state, "unknown"),
        reason=message.reason,
        attempt=message.attempt,
        stage=message.stage,
        step=message.step,
        total_steps=message.total_steps,
        created_at=message.created_at.ToDatetime(UTC),
        finished_at=message.finished_at.ToDatetime(UTC) if message.HasField("finished_at") else None,
        results={result.stage: _result_from(result) for result in message.results},
    )


def _result_from(message: trainer_pb2.StageResult) -> StageResult:
    version = version_from(message.model_version) if message.HasField("model_version") else None
    return StageResult(message.stage, version, dict(message.metrics))


def event_from(message: trainer_pb2.WatchRunResponse) -> StepEvent:
    step = message.step if message.HasField("step") else message.run
    metrics = dict(message.step.metrics)
    return StepEvent(message.event, run_from(message.run), step.stage, step.step, step.total_steps, metrics)


class WatchPosition:
    """Goes on after the last event that arrived."""

    resumable = True
    complete = False

    def __init__(self, run_id: str, after_event: int) -> None:
        self.run_id, self.event = run_id, after_event

    def request(self) -> trainer_pb2.WatchRunRequest:
        self.complete = self.event > 0  # nothing more after an event: the run ended with it
        return trainer_pb2.WatchRunRequest(run_id=self.run_id, after_event=self.event)

    def read(self, response: trainer_pb2.WatchRunResponse) -> StepEvent:
        event = event_from(response)
        self.event, self.complete = event.event, event.run.done
        return event


class LogPosition:
    """The service sends logs from their beginning; what was read before a break is passed over."""

    resumable = True
    complete = True

    def __init__(self, run_id: str, follow: bool) -> None:
        self.run_id, self.follow, self.handed_on, self.received = run_id, follow, 0, 0

    def request(self) -> trainer_pb2.StreamLogsRequest:
        self.received = 0
        return trainer_pb2.StreamLogsRequest(run_id=self.run_id, follow=self.follow)

    def read(self, response: trainer_pb2.StreamLogsResponse) -> str | None:
        fresh = response.text[max(0, self.handed_on - self.received) :]
        self.received += len(response.text)
        self.handed_on = max(self.handed_on, self.received)
        return fresh or None


class Outcome:
    """Keeps a run up to date until it ends."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def accept(self, item: StepEvent) -> None:
        update(self.run, item.run)

    def result(self) -> Run:
        return self.run

    def close(self) -> None:
        pass


def update(run: Run, fresh: Run) -> Run:
    vars(run).update(vars(fresh))
    return run


def watch(run_id: str, after_event: int, timeout: float | None) -> Stream[StepEvent]:
    return Stream("WatchRun", WatchPosition(run_id, after_event), timeout, timeout or PATIENCE_SECONDS)


def logs(run_id: str, follow: bool, timeout: float | None) -> Stream[str]:
    return Stream("StreamLogs", LogPosition(run_id, follow), timeout, timeout or PATIENCE_SECONDS)


def _get(run_id: str, timeout: float = 30.0) -> Unary[Run]:
    return Unary("GetRun", trainer_pb2.GetRunRequest(run_id=run_id), lambda response: run_from(response.run), timeout)


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
        request_id: str | None = None,
        timeout: float = 60.0,
    ) -> Unary[Handle]:
        """Starts a run, after the whole spec was checked. `name` becomes the resulting model's.

        Asked twice with one `request_id`, the service starts one run; without, this call makes its own, so that
        its retries are safe. `threads` are those of the worker, 0 for the service's setting.
        """
        message = run_spec(spec, name=name, seed=seed, deterministic=deterministic, threads=threads)
        request = trainer_pb2.CreateRunRequest(spec=message, request_id=request_id or uuid.uuid4().hex)
        return Unary("CreateRun", request, self._handle, timeout)

    @method
    def get(self, run_id: str, *, timeout: float = 30.0) -> Unary[Handle]:
        return Unary("GetRun", trainer_pb2.GetRunRequest(run_id=run_id), self._handle, timeout)

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
