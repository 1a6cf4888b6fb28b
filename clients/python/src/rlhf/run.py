"""A run as plain data: its state, its results, and the steps it makes."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rlhf.v1 import trainer_pb2
from rlhf.versions import ModelVersion, version_from

STATES = {
    trainer_pb2.RUN_STATE_QUEUED: "queued",
    trainer_pb2.RUN_STATE_RUNNING: "running",
    trainer_pb2.RUN_STATE_SUCCEEDED: "succeeded",
    trainer_pb2.RUN_STATE_FAILED: "failed",
    trainer_pb2.RUN_STATE_CANCELLED: "cancelled",
}
FINAL_STATES = ("succeeded", "failed", "cancelled")


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


@dataclass(frozen=True)
class RunEvent:
    """Something that happened to a run. `reason` is a word for machines: Queued (once for each attempt), Waiting,
    Running, Adopted (by a trainer that came back), Succeeded, Failed or Cancelled; `message` is for people.
    """

    at: datetime
    attempt: int
    reason: str
    message: str


def happening_from(message: trainer_pb2.RunEvent) -> RunEvent:
    return RunEvent(message.at.ToDatetime(UTC), message.attempt, message.reason, message.message)


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


def update(run: Run, fresh: Run) -> Run:
    vars(run).update(vars(fresh))
    return run
