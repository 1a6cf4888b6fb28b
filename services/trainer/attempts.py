"""What one attempt of a run keeps in object storage, and who writes it.

runs/<id>/spec.json                                control plane: the accepted spec
runs/<id>/record.json                              control plane: state, attempt, launch (see `records`)
runs/<id>/attempts/<a>/base.json                   control plane, before the worker starts: where to go on from
runs/<id>/attempts/<a>/log/<first byte>.txt        control plane: what the worker printed
runs/<id>/attempts/<a>/status.json                 worker: how it stands, its heartbeat, why it failed
runs/<id>/attempts/<a>/metrics/<stage>/<first>-<last>.jsonl   worker: one line per step
runs/<id>/attempts/<a>/stages/<stage>.json         worker: a finished stage's result
runs/<id>/attempts/<a>/checkpoints/<stage>/<step>/ worker: published prefix, manifest last
runs/<id>/attempts/<a>/rollouts/<stage>/<step>.*   worker: persisted before they are used
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from services.storage.object_store import ObjectNotFound, ObjectStore

STATE = "state.json"  # of a checkpoint
VERSIONS = "versions"  # in that state: training versions that may go on generating

RUNNING, SUCCEEDED, FAILED, STOPPED = "running", "succeeded", "failed", "stopped"


def spec_key(run_id: str) -> str:
    return f"runs/{run_id}/spec.json"


def record_key(run_id: str) -> str:
    return f"runs/{run_id}/record.json"


def attempt_prefix(run_id: str, attempt: int) -> str:
    return f"runs/{run_id}/attempts/{attempt}/"


def read_json(store: ObjectStore, key: str) -> Any | None:
    """None where nothing is stored."""
    try:
        return json.loads(store.get(key))
    except ObjectNotFound:
        return None


def write_json(store: ObjectStore, key: str, value: Any) -> None:
    store.put(key, json.dumps(value, indent=1).encode())


@dataclass(frozen=True)
class Base:
    """Where an attempt goes on from: stages before `stage` are finished (their results lie in the attempt's ancestors)
    and `stage` goes on from the checkpoint of `step` in `attempt`. Step 0: from its beginning. Attempt 0: no ancestor.
    """

    attempt: int = 0
    stage: str = ""  # empty: the first
    step: int = 0


@dataclass(frozen=True)
class Status:
    """How the worker stands. It writes `running` while it lives and one of the other states as its last word."""

    state: str  # running, succeeded, failed, stopped
    stage: str = ""
    step: int = 0
    total_steps: int = 0
    error: str = ""  # in words, for people
    heartbeat: float = 0.0  # seconds since the epoch


@dataclass(frozen=True)
class StageOutcome:
    """A finished stage; `model` is empty where it made none (evaluate)."""

    stage: str
    model: str = ""
    version: str = ""
    digest: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One line of metrics."""

    stage: str
    step: int
    total_steps: int
    metrics: dict[str, float]


def follows(last: Step | None, step: Step) -> bool:
    """Whether nothing can lie between the two."""
    if last is None or (last.stage != step.stage and last.step == last.total_steps):
        return step.step <= 1
    return last.stage == step.stage and step.step == last.step + 1


@dataclass(frozen=True)
class Attempt:
    """The objects of one attempt."""

    store: ObjectStore
    run_id: str
    number: int

    @property
    def prefix(self) -> str:
        return attempt_prefix(self.run_id, self.number)

    def write_base(self, base: Base) -> None:
        write_json(self.store, f"{self.prefix}base.json", asdict(base))

    def base(self) -> Base:
        return Base(**(read_json(self.store, f"{self.prefix}base.json") or {}))

    def write_status(self, status: Status) -> None:
        write_json(self.store, f"{self.prefix}status.json", asdict(status))

    def status(self) -> Status | None:
        """None until the worker has said anything."""
        value = read_json(self.store, f"{self.prefix}status.json")
        return Status(**value) if value else None

    def write_outcome(self, outcome: StageOutcome) -> None:
        write_json(self.store, f"{self.prefix}stages/{outcome.stage}.json", asdict(outcome))

    def outcome(self, stage: str) -> StageOutcome | None:
        value = read_json(self.store, f"{self.prefix}stages/{stage}.json")
        return StageOutcome(**value) if value else None

    def checkpoint_prefix(self, stage: str, step: int) -> str:
        return f"{self.prefix}checkpoints/{stage}/{step:08d}/"

    def checkpoint_steps(self, stage: str) -> list[int]:
        """Steps of the complete checkpoints, oldest first."""
        objects = self.store.list(f"{self.prefix}checkpoints/{stage}/")
        return sorted(int(o.key.split("/")[-2]) for o in objects if o.key.endswith("/manifest.json"))

    def checkpoint_versions(self, stage: str, step: int) -> set[str]:
        """Ids of training versions without which a resume from the checkpoint would generate with others."""
        if not step:
            return set()
        state = read_json(self.store, f"{self.checkpoint_prefix(stage, step)}{STATE}") or {}
        return {version["version"] for version in state.get(VERSIONS, [])}

    def metrics_key(self, stage: str, first: int, last: int) -> str:
        return f"{self.prefix}metrics/{stage}/{first:08d}-{last:08d}.jsonl"

    def write_steps(self, steps: list[Step]) -> None:
        """All of one stage, in order."""
        lines = "".join(json.dumps(asdict(step)) + "\n" for step in steps)
        self.store.put(self.metrics_key(steps[0].stage, steps[0].step, steps[-1].step), lines.encode())

    def steps(self, stage: str, after: int = -1) -> Iterator[Step]:
        """Those past the step `after`, in order; what was written twice comes once."""
        for key in sorted(o.key for o in self.store.list(f"{self.prefix}metrics/{stage}/")):
            if int(key.removesuffix(".jsonl").rsplit("-", 1)[1]) <= after:
                continue
            for line in self.store.get(key).decode().splitlines():
                step = Step(**json.loads(line))
                if step.step > after:
                    after = step.step
                    yield step


def lineage(store: ObjectStore, run_id: str, attempt: int) -> list[tuple[Attempt, Base]]:
    """An attempt and its ancestors, newest first, each with the base that it went on from."""
    chain: list[tuple[Attempt, Base]] = []
    while attempt:
        current = Attempt(store, run_id, attempt)
        base = current.base()
        assert base.attempt < attempt, f"{current.prefix} goes on from a later attempt"
        chain.append((current, base))
        attempt = base.attempt
    return chain


def outcomes(store: ObjectStore, run_id: str, attempt: int, stages: list[str]) -> dict[str, StageOutcome]:
    """Results of the finished stages in order, without what a superseded attempt did past its successor's base."""
    found: dict[str, StageOutcome] = {}
    remaining = stages
    for current, base in lineage(store, run_id, attempt):
        for name in remaining:
            if name not in found and (outcome := current.outcome(name)):
                found[name] = outcome
        # `stages` may end before the stage that an ancestor went on from.
        reached = remaining.index(base.stage) if base.stage in remaining else len(remaining)
        remaining = remaining[:reached] if base.stage else []
    return {name: found[name] for name in stages if name in found}


def finished_before(store: ObjectStore, run_id: str, base: Base, stages: list[str]) -> dict[str, StageOutcome]:
    """Results of the stages before `base.stage`, which an attempt that starts from `base` inherits."""
    earlier = stages[: stages.index(base.stage)] if base.stage else []
    return outcomes(store, run_id, base.attempt, earlier)


def next_base(store: ObjectStore, run_id: str, attempt: int, stages: list[str]) -> Base:
    """Where the attempt after `attempt` goes on: the furthest complete checkpoint that is not superseded."""
    current = Attempt(store, run_id, attempt)
    base = current.base()
    for name in stages[stages.index(base.stage) if base.stage else 0 :]:
        if current.outcome(name):
            continue
        if steps := current.checkpoint_steps(name):
            return Base(attempt, name, steps[-1])
        return base if name == (base.stage or stages[0]) else Base(attempt, name, 0)
    raise AssertionError(f"{current.prefix} finished every stage; nothing is left to go on with")
