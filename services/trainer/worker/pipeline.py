"""Walks the stages of a run, each fed by the results of those before it."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from services.trainer.attempts import StageOutcome, finished_before
from services.trainer.recipes import RunSpec, StageSpec, kind_of
from services.trainer.references import STAGE
from services.trainer.worker import dpo, evaluate, reward_model, sft
from services.trainer.worker.context import StageContext, Workbench
from services.trainer.worker.ppo import loop as ppo
from services.trainer.worker.stopwatch import Stopwatch

RUNNERS: dict[str, Callable[[StageContext, Any], StageOutcome]] = {
    "sft": sft.run,
    "reward_model": reward_model.run,
    "ppo": ppo.run,
    "dpo": dpo.run,
    "evaluate": evaluate.run,
}

log = logging.getLogger(__name__)


def run(bench: Workbench, spec: RunSpec) -> dict[str, StageOutcome]:
    """Runs what the attempt's base leaves to do; returns the results of all stages, in order.

    Raises Stopped when the attempt may go no further.
    """
    if spec.deterministic:
        torch.use_deterministic_algorithms(True)
    outcomes = bench.ranks.first(partial(_finished, bench, spec), _read_outcomes)
    for name, stage in spec.stages():
        if name not in outcomes:
            log.info("stage %s begins", name)
            torch.manual_seed(spec.seed)
            context = _context(bench, spec, name)
            context.check()
            outcomes[name] = RUNNERS[kind_of(stage)](context, resolved(stage, outcomes))
            bench.ranks.first(partial(_record, bench, outcomes[name]))
            log.info("stage %s is finished: %s", name, outcomes[name])
    return outcomes


def _finished(bench: Workbench, spec: RunSpec) -> dict[str, StageOutcome]:
    objects = bench.attempt.objects
    return finished_before(objects.store, objects.run_id, objects.base(), [name for name, _ in spec.stages()])


def _read_outcomes(value: dict[str, Any]) -> dict[str, StageOutcome]:
    return {name: StageOutcome(**outcome) for name, outcome in value.items()}


def _record(bench: Workbench, outcome: StageOutcome) -> None:
    bench.attempt.check()
    bench.attempt.flush()
    bench.attempt.objects.write_outcome(outcome)


def resolved(stage: StageSpec, outcomes: Mapping[str, StageOutcome]) -> StageSpec:
    """The stage with every "stage:<name>" replaced by the version that stage made."""
    changes = {}
    for field in dataclasses.fields(stage):
        value = getattr(stage, field.name)
        if isinstance(value, str) and value.startswith(STAGE):
            outcome = outcomes[value.removeprefix(STAGE)]
            changes[field.name] = f"{outcome.model}@{outcome.version}"
    return dataclasses.replace(stage, **changes)


def _context(bench: Workbench, spec: RunSpec, name: str) -> StageContext:
    return StageContext(
        **vars(bench),
        stage=name,
        result_name=spec.result_name(name),
        seed=spec.seed,
        deterministic=spec.deterministic,
        stopwatch=Stopwatch(bench.attempt.objects.run_id),
    )
