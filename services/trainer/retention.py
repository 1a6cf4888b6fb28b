"""What stays of a run that has ended: its results, metrics and logs, and what a resume needs where one is possible."""

from collections.abc import Iterator

from services.storage.models import ModelStore
from services.storage.object_store import ObjectStore
from services.storage.published import unpublish
from services.trainer.attempts import Attempt, Base, next_base
from services.trainer.records import RunRecord, RunState

# Steps are published for training alone; the newest few stay for those who want to look at them.
NEWEST_TRAINING_VERSIONS = 2


def prune_run(store: ObjectStore, models: ModelStore, record: RunRecord, stages: list[str], results: list[str]) -> None:
    """May be done again, also after a crash half-way. `results` are the names of the models that the stages make."""
    resumable = record.state in (RunState.FAILED, RunState.CANCELLED)
    base = next_base(store, record.id, record.attempt, stages) if resumable else Base()
    for number in range(1, record.attempt + 1):
        attempt = Attempt(store, record.id, number)
        for stage in stages:
            _prune_stage(attempt, stage, base)
    needed = Attempt(store, record.id, base.attempt).checkpoint_versions(base.stage, base.step)
    for stage in stages:
        keep = needed if stage == base.stage else set()
        models.prune(f"{record.id}-{stage}", keep, NEWEST_TRAINING_VERSIONS, grace_seconds=0)
    for model in results:
        models.discard_drafts(model, record.id)


def _prune_stage(attempt: Attempt, stage: str, base: Base) -> None:
    needed = base.step if (attempt.number, stage) == (base.attempt, base.stage) else None
    for step in attempt.checkpoint_steps(stage):
        if step != needed:
            unpublish(attempt.store, attempt.checkpoint_prefix(stage, step))
    for key, step in _rollouts(attempt, stage):
        if needed is None or step < needed:
            attempt.store.delete(key)


def _rollouts(attempt: Attempt, stage: str) -> Iterator[tuple[str, int]]:
    """(key, step)"""
    for info in list(attempt.store.list(f"{attempt.prefix}rollouts/{stage}")):
        yield info.key, int(info.key.rsplit("/", 1)[1].split(".")[0])
