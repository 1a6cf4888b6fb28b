"""What a run is asked to do, as plain values with every default filled in.

The dataclasses mirror the messages of protos/rlhf/v1/trainer.proto, field for field; `specs` converts. The defaults are
the recipe for models of a few million parameters on a laptop (the papers' learning rates are for 1 B and more).
"""

from dataclasses import dataclass, field
from enum import StrEnum

from services.trainer.placement import Placement


@dataclass(frozen=True)
class Updates:
    """How AdamW is driven, whatever the batches are; all that PPO reads of the contract's Optimization."""

    learning_rate: float = 1e-3
    micro_batch_size: int = 0  # sequences per forward pass; 0: the whole batch in one
    max_grad_norm: float = 1.0
    weight_decay: float = 0.0
    warmup_steps: int = 0
    checkpoint_every: int = 50  # steps


@dataclass(frozen=True)
class Optimization(Updates):
    """Passes over a dataset; batch sizes count sequences, or pairs for reward models and DPO."""

    batch_size: int = 32
    epochs: int = 1
    max_length: int = 256  # tokens per sequence; longer ones are counted and left out


@dataclass(frozen=True)
class SftSpec:
    base_model: str
    dataset: str  # demonstrations
    optimization: Optimization = field(default=Optimization(learning_rate=3e-3, epochs=3, micro_batch_size=16))


@dataclass(frozen=True)
class RewardModelSpec:
    base_model: str  # usually the SFT model
    dataset: str  # comparisons
    demonstrations: str = ""  # the offset makes these score 0 on average; empty: the chosen answers
    # More than one epoch overfits quickly (Ouyang 2022).
    optimization: Optimization = field(
        default=Optimization(learning_rate=4e-4, epochs=1, micro_batch_size=16, warmup_steps=20)
    )


@dataclass(frozen=True)
class DpoSpec:
    policy_model: str  # starting point and frozen reference
    dataset: str  # comparisons
    beta: float = 0.3
    optimization: Optimization = field(default=Optimization(learning_rate=1.5e-4, epochs=1, micro_batch_size=16))


class MissingEos(StrEnum):
    """What happens to the score of a response that ended without the end-of-sequence token."""

    REPLACE = "replace"  # the score becomes missing_eos_value
    SUBTRACT = "subtract"  # |missing_eos_value| is subtracted


@dataclass(frozen=True)
class PpoSpec:
    policy_model: str  # starting point and frozen reference
    reward_model: str
    prompts: str  # dataset of prompts
    steps: int = 40
    prompts_per_step: int = 32
    samples_per_prompt: int = 2
    max_new_tokens: int = 64
    temperature: float = 1.0
    kl_coefficient: float = 0.1  # beta
    kl_target: float = 0.0  # nats per response; > 0 turns the adaptive controller on
    clip_range: float = 0.2
    value_clip_range: float = 0.2
    value_coefficient: float = 0.1
    gamma: float = 1.0
    gae_lambda: float = 0.95
    inner_epochs: int = 2
    minibatches: int = 2  # optimiser steps per inner epoch
    reward_clip: float = 10.0
    missing_eos: MissingEos = MissingEos.REPLACE
    missing_eos_value: float = -1.0
    value_learning_rate: float = 3e-4
    max_staleness: int = 0  # 0: strictly on-policy
    optimization: Updates = field(default=Updates(learning_rate=1e-4, checkpoint_every=10))


@dataclass(frozen=True)
class EvaluateSpec:
    policy_model: str
    prompts: str
    reference_model: str = ""  # empty: no KL
    reward_model: str = ""  # empty: no scores
    samples_per_prompt: int = 1
    max_new_tokens: int = 64
    temperature: float = 1.0


StageSpec = SftSpec | RewardModelSpec | PpoSpec | DpoSpec | EvaluateSpec


@dataclass(frozen=True)
class PipelineSpec:
    """Stages in order, each under its name; a stage names the result of an earlier one as "stage:<name>"."""

    stages: tuple[tuple[str, StageSpec], ...]


@dataclass(frozen=True)
class RunSpec:
    name: str  # the resulting model's name
    stage: StageSpec | PipelineSpec
    seed: int = 0
    deterministic: bool = False
    threads: int = 0  # torch threads of the worker; 0: the service's setting
    placement: Placement = field(default=Placement())
    deadline_seconds: int = 0  # an attempt that takes longer has failed, and the run with it; 0: none

    def stages(self) -> tuple[tuple[str, StageSpec], ...]:
        """The stages in order; a single one goes by the name of its kind."""
        if isinstance(self.stage, PipelineSpec):
            return self.stage.stages
        return ((kind_of(self.stage), self.stage),)

    def result_name(self, stage: str) -> str:
        """The model name that a stage's result is published under."""
        return f"{self.name}-{stage}" if isinstance(self.stage, PipelineSpec) else self.name


KINDS: dict[str, type[StageSpec]] = {
    "sft": SftSpec,
    "reward_model": RewardModelSpec,
    "ppo": PpoSpec,
    "dpo": DpoSpec,
    "evaluate": EvaluateSpec,
}


def kind_of(stage: StageSpec) -> str:
    """The name of the stage in the spec's `oneof`."""
    return next(kind for kind, spec in KINDS.items() if isinstance(stage, spec))
