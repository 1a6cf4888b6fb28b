"""What a stage is given: its seed, stores, checkpoints and the services to ask."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.data.canonical import read_canonical
from services.language_model.loading import save
from services.language_model.tokens import chat_template_digest, tokenizer_digest
from services.runtime.errors import InvalidInput, Problem
from services.runtime.logs import identify
from services.runtime.tracing import span
from services.storage.datasets import DatasetInfo, DatasetStore
from services.storage.models import RUN, ModelStore, Version
from services.trainer.attempts import Attempt, Base, StageOutcome, Step
from services.trainer.worker import checkpoints
from services.trainer.worker.attempt import LiveAttempt
from services.trainer.worker.checkpoints import Checkpoint
from services.trainer.worker.collector import Collector
from services.trainer.worker.ranks import Ranks
from services.trainer.worker.sharding import state_dict
from services.trainer.worker.stopwatch import Stopwatch

RecordT = TypeVar("RecordT")


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """What all stages of an attempt share. Attempt, stores and collector are rank 0's: see `Ranks.first`."""

    attempt: LiveAttempt
    models: ModelStore
    datasets: DatasetStore
    collector: Collector
    work_dir: Path
    ranks: Ranks = field(default_factory=Ranks)


@dataclass(frozen=True, kw_only=True)
class StageContext(Workbench):
    """Every rank calls its methods, in the same order."""

    stage: str  # its name in the run
    result_name: str  # the model name that its result is published under
    seed: int
    deterministic: bool
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def check(self) -> None:
        """Raises Stopped when this attempt must go no further."""
        self.ranks.first(self.attempt.check)

    def model(self, reference: str) -> tuple[Version, Path]:
        """What a reference means now, and a folder with its files."""
        version = self.ranks.first(lambda: self.models.resolve(reference), read_version)
        return version, self.ranks.fetch(lambda: self.models.fetch(version))

    def records(self, field_name: str, reference: str, kind: type[RecordT]) -> list[RecordT]:
        """A dataset's records; InvalidInput names the spec's field when they are of another type."""
        info = self.ranks.first(lambda: self.datasets.resolve(reference), lambda value: DatasetInfo(**value))
        records = read_canonical(self.ranks.fetch(lambda: self.datasets.fetch(info, self.work_dir)))
        if not records or not all(isinstance(record, kind) for record in records):
            given = f"{info.name} with {info.num_records} records of type {info.record_type}"
            raise InvalidInput(Problem(field_name, given, f"records of type {kind.__name__.lower()}"))
        return records  # type: ignore[return-value]

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """What logs and traces of the block belong to; from 1."""
        identify(stage=self.stage, step=number)
        with span("step", run=self.attempt.objects.run_id, stage=self.stage, step=number):
            yield

    def report(self, step: int, total_steps: int, metrics: dict[str, float]) -> None:
        """After `step` steps of `total_steps`; where the time went since the last report is added."""
        times = self.stopwatch.read()
        if "tokens" in metrics:
            times["tokens_per_second"] = metrics["tokens"] / times["seconds"]
        line = Step(self.stage, step, total_steps, metrics | times)
        self.ranks.first(lambda: self.attempt.report(line))

    def restore(self) -> Checkpoint | None:
        """The checkpoint that this attempt goes on from, if it is one of this stage."""
        objects = self.attempt.objects
        base = self.ranks.first(objects.base, lambda value: Base(**value))
        if base.stage != self.stage or base.step == 0:
            return None
        ancestor = Attempt(objects.store, objects.run_id, base.attempt)
        folder = self.ranks.fetch(lambda: checkpoints.fetch(ancestor, self.stage, base.step, self.work_dir))
        checkpoint = checkpoints.read(folder, base.step)
        self.ranks.discard(folder, shutil.rmtree)
        return checkpoint

    def save(self, checkpoint: Checkpoint) -> None:
        """Metrics up to a checkpoint are stored no later than it, or a crash in between would lose them."""

        def store() -> None:
            self.attempt.check()
            self.attempt.flush()
            checkpoints.save(self.attempt.objects, self.stage, checkpoint, self.work_dir)

        with self.stopwatch.part("checkpoint"):
            self.ranks.first(store)

    def publish(
        self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int, **metadata: Any
    ) -> Version:
        """Writes the model as a new version of `name`, in the form that plain transformers loads.

        A result is a draft: it counts once the control plane has seen that this attempt made it, so one that was
        overtaken between its last check and this write gives nobody another model.
        """
        facts = {
            RUN: self.attempt.objects.run_id,
            "stage": self.stage,
            "tokenizer_digest": tokenizer_digest(tokenizer),
            "chat_template_digest": chat_template_digest(tokenizer),
        }

        def store() -> Version:
            with tempfile.TemporaryDirectory(dir=self.work_dir) as folder:
                save(model, tokenizer, Path(folder), weights)
                self.attempt.check()
                number = self.attempt.objects.number
                origin = {"attempt": number, "step": step, "metadata": facts | metadata}
                return self.models.publish(name, Path(folder), draft=name == self.result_name, **origin)

        with self.stopwatch.part("publish"):
            weights = state_dict(model)
            return self.ranks.first(store, read_version)

    def outcome(self, version: Version | None, metrics: dict[str, float]) -> StageOutcome:
        if version is None:
            return StageOutcome(self.stage, metrics=metrics)
        return StageOutcome(self.stage, version.model, version.version, version.digest, metrics)


def read_version(value: dict[str, Any]) -> Version:
    return Version(**value)
