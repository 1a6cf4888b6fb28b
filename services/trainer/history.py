"""What happened to a run, told from its record, which outlives every control plane."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.storage.object_store import ObjectStore
from services.trainer.attempts import Attempt, Base
from services.trainer.records import RunRecord, RunState, Transition


@dataclass(frozen=True)
class Happening:
    at: float  # seconds since the epoch
    attempt: int
    reason: str  # one word for machines
    message: str  # for people


def happenings(store: ObjectStore, record: RunRecord) -> Iterator[Happening]:
    """Oldest first."""
    reached: set[tuple[int, RunState]] = set()
    for transition in record.history:
        state = (transition.attempt, transition.state)
        reason, message = _again(transition) if state in reached else _first(store, record.id, transition)
        reached.add(state)
        yield Happening(transition.at, transition.attempt, reason, message)


def _again(transition: Transition) -> tuple[str, str]:
    return ("Waiting" if transition.state is RunState.QUEUED else "Adopted"), transition.reason


def _first(store: ObjectStore, run_id: str, transition: Transition) -> tuple[str, str]:
    if transition.state is RunState.QUEUED:
        return "Queued", _queued(Attempt(store, run_id, transition.attempt), transition.reason)
    if transition.state is RunState.RUNNING:
        return "Running", "the worker runs"
    return transition.state.capitalize(), transition.reason or "every stage is finished"


def _queued(attempt: Attempt, reason: str) -> str:
    if attempt.number == 1:
        return "the run was accepted"
    return f"attempt {attempt.number} {_origin(attempt.base())}: {reason}"


def _origin(base: Base) -> str:
    if not base.stage:
        return "starts from the beginning"
    return f"goes on from step {base.step} of stage {base.stage}"
