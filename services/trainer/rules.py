"""Which values a stage accepts, and which contradict each other. Nothing here looks into storage."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.runtime.errors import Problem
from services.trainer.recipes import (
    DpoSpec,
    Optimization,
    PpoSpec,
    RewardModelSpec,
    SftSpec,
    StageSpec,
    Updates,
)

MIN_WHITENED = 8  # samples; the advantages of fewer have no useful mean and deviation


@dataclass(frozen=True)
class Range:
    low: float
    high: float = math.inf
    open_low: bool = False

    def __contains__(self, value: float) -> bool:
        return (
            math.isfinite(value) and (self.low < value if self.open_low else self.low <= value) and value <= self.high
        )

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"a number above {self.low:g}" if self.open_low else f"a number, {self.low:g} or more"
        return f"a number in {'(' if self.open_low else '['}{self.low:g}, {self.high:g}]"


POSITIVE, UNIT = Range(0, open_low=True), Range(0, 1)
# A name means the same in every stage, so it has the same range.
RANGES = {
    "learning_rate": Range(0, 1, open_low=True),
    "value_learning_rate": Range(0, 1, open_low=True),
    "batch_size": Range(1, 65536),
    "epochs": Range(1, 1000),
    "micro_batch_size": Range(0, 65536),
    "max_grad_norm": POSITIVE,
    "weight_decay": UNIT,
    "warmup_steps": Range(0),
    "max_length": Range(8, 131072),
    "checkpoint_every": Range(1),
    "beta": POSITIVE,
    "steps": Range(1, 10_000_000),
    "prompts_per_step": Range(1, 65536),
    "samples_per_prompt": Range(1, 1024),
    "max_new_tokens": Range(1, 131072),
    "temperature": Range(0, 10, open_low=True),
    "kl_coefficient": Range(0),
    "kl_target": Range(0),
    "clip_range": Range(0, 1, open_low=True),
    "value_clip_range": POSITIVE,
    "value_coefficient": POSITIVE,
    "gamma": UNIT,
    "gae_lambda": UNIT,
    "inner_epochs": Range(1, 100),
    "minibatches": Range(1, 65536),
    "reward_clip": POSITIVE,
    "missing_eos_value": Range(-1e6, 1e6),
    "max_staleness": Range(0, 100),
    "seed": Range(0),
    "threads": Range(0, 256),
    "deadline_seconds": Range(0, 366 * 24 * 3600),
}


def out_of_range(path: str, values: Any) -> Iterator[Problem]:
    """Of a dataclass and those inside it."""
    for field in dataclasses.fields(values):
        value, name = getattr(values, field.name), f"{path}.{field.name}"
        if isinstance(value, Updates):
            yield from out_of_range(name, value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and value not in RANGES[field.name]:
            yield Problem(name, f"{value:g}", str(RANGES[field.name]))


def contradictions(path: str, stage: StageSpec) -> Iterator[Problem]:
    if isinstance(stage, PpoSpec):
        yield from _ppo(path, stage)
    elif isinstance(stage, SftSpec | RewardModelSpec | DpoSpec):
        yield from _supervised(f"{path}.optimization", stage.optimization)


def _supervised(path: str, optimization: Optimization) -> Iterator[Problem]:
    micro, batch = optimization.micro_batch_size, optimization.batch_size
    if micro > batch:
        yield Problem(f"{path}.micro_batch_size", str(micro), f"at most the batch_size of {batch}")


def _ppo(path: str, stage: PpoSpec) -> Iterator[Problem]:
    if stage.kl_target > 0 and stage.kl_coefficient == 0:
        expected = "0, or a kl_coefficient above 0: the controller multiplies it, and 0 stays 0"
        yield Problem(f"{path}.kl_target", f"{stage.kl_target:g} with kl_coefficient 0", expected)
    samples = stage.prompts_per_step * stage.samples_per_prompt
    if samples < MIN_WHITENED * stage.minibatches:
        given = f"{stage.minibatches} for {samples} samples (prompts_per_step × samples_per_prompt)"
        expected = f"minibatches of at least {MIN_WHITENED} samples, which advantages are whitened over"
        yield Problem(f"{path}.minibatches", given, expected)
    micro = stage.optimization.micro_batch_size
    if stage.minibatches and micro > samples // stage.minibatches:
        expected = f"at most the {samples // stage.minibatches} samples of a minibatch"
        yield Problem(f"{path}.optimization.micro_batch_size", str(micro), expected)
