"""What the control plane knows of a run, kept in storage so that another control plane can go on with it."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.runtime.errors import NotFound
from services.storage.object_store import ObjectStore
from services.trainer.attempts import StageOutcome, read_json, record_key, write_json


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True)
class Transition:
    """The run entered `state`, in words why, under `attempt`."""

    attempt: int
    state: RunState
    reason: str
    at: float  # seconds since the epoch
    stage: str = ""  # of the attempt's last step before it; empty before the first
    step: int = 0


@dataclass(frozen=True)
class Progress:
    stage: str = ""
    step: int = 0
    total_steps: int = 0


@dataclass(frozen=True)
class RunRecord:
    id: str
    request_digest: str  # of the spec as it was asked for; the same request may come twice
    created_at: float  # seconds since the epoch
    history: tuple[Transition, ...]
    crashes: int = 0  # in a row, since somebody last started or resumed the run
    launch: dict[str, Any] | None = None  # how to find the worker; None when none can be alive
    progress: Progress = Progress()  # where it stood at the last transition
    outcomes: tuple[StageOutcome, ...] = ()  # finished stages at the last transition
    pruned: bool = False  # retention has been here since the run ended

    @property
    def last(self) -> Transition:
        return self.history[-1]

    @property
    def state(self) -> RunState:
        return self.last.state

    @property
    def cause(self) -> str:
        """Why there is the current attempt; empty for a run's first."""
        return next(t.reason for t in self.history if t.attempt == self.attempt)

    @property
    def attempt(self) -> int:
        return self.last.attempt

    def enter(self, transition: Transition, **changes: Any) -> "RunRecord":
        return dataclasses.replace(self, history=(*self.history, transition), **changes)

    def replace(self, **changes: Any) -> "RunRecord":
        return dataclasses.replace(self, **changes)


def write_record(store: ObjectStore, record: RunRecord) -> None:
    value = dataclasses.asdict(record)
    write_json(store, record_key(record.id), {"state": record.state, "attempt": record.attempt, **value})


def read_record(store: ObjectStore, run_id: str) -> RunRecord:
    """Raises NotFound."""
    value = read_json(store, record_key(run_id))
    if value is None:
        raise NotFound("run", run_id)
    del value["state"], value["attempt"]  # written for readers without this module
    history = tuple(Transition(**{**t, "state": RunState(t["state"])}) for t in value.pop("history"))
    progress = Progress(**value.pop("progress"))
    outcomes = tuple(StageOutcome(**outcome) for outcome in value.pop("outcomes"))
    return RunRecord(history=history, progress=progress, outcomes=outcomes, **value)


def read_records(store: ObjectStore) -> Iterator[RunRecord]:
    """A run whose spec was stored and whose record was not has never been accepted."""
    for run_id in store.children("runs"):
        if store.exists(record_key(run_id)):
            yield read_record(store, run_id)
