"""What to train, in plain Python. A setting that is left out takes the recipe's default, which the service knows."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Self, get_args, get_type_hints

from rlhf.datasets import DatasetName
from rlhf.errors import InvalidInputError, Problem
from rlhf.placement import Placement
from rlhf.v1 import trainer_pb2
from rlhf.versions import ModelName

MISSING_EOS = {
    "replace": trainer_pb2.MISSING_EOS_REWARD_REPLACE,
    "subtract": trainer_pb2.MISSING_EOS_REWARD_SUBTRACT,
}
# The contract reads 0 as "default" in fields without presence; in these it is the default, or means what it says.
ZERO_IS_MEANT = {"micro_batch_size", "weight_decay", "warmup_steps", "kl_target", "max_staleness"}


class Spec:
    """Base of all specs: unknown fields are refused with the ones that exist."""

    kind: ClassVar[str]
    message: ClassVar[type]

    def __new__(cls, *args: Any, **given: Any) -> Self:
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        if unknown := [name for name in given if name not in known]:
            raise InvalidInputError(*(_unknown(cls.__name__, name, known) for name in unknown))
        return super().__new__(cls)

    @classmethod
    def kind_of(cls, name: str) -> type:
        """Of a field: str, int or float; what a name or version is given as counts as str."""
        hints = get_type_hints(cls)
        if name not in hints:
            raise InvalidInputError(_unknown(cls.__name__, name, [field.name for field in fields(cls)]))  # type: ignore
        return next((kind for kind in (int, float) if kind in get_args(hints[name])), str)

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """A field's value from a command line."""
        kind = cls.kind_of(name)
        try:
            return kind(text)
        except ValueError:
            raise InvalidInputError(Problem(name, f"got {text!r}, expected {kind.__name__}")) from None

    def settings(self) -> Iterator[tuple[str, Any]]:
        """The fields that were given."""
        for field in fields(self):  # type: ignore[arg-type]
            if (value := getattr(self, field.name)) is not None:
                yield field.name, value

    def to_message(self) -> Any:
        message, problems = self.message(), []
        for name, value in self.settings():
            target = message if name in message.DESCRIPTOR.fields_by_name else message.optimization
            try:
                _set(target, name, value)
            except (TypeError, ValueError) as error:
                problems.append(Problem(name, str(error)))
        if problems:
            raise InvalidInputError(*problems)
        return message


def _unknown(spec: str, name: str, known: list[str]) -> Problem:
    closest = get_close_matches(name, known, n=1)
    guess = f"did you mean {closest[0]!r}? " if closest else ""
    return Problem(name, f"{spec} has no such field; {guess}valid ones are {', '.join(known)}")


def _set(message: Any, name: str, value: Any) -> None:
    field = message.DESCRIPTOR.fields_by_name[name]
    if name == "missing_eos":
        if value not in MISSING_EOS:
            raise ValueError(f"got {value!r}, expected one of {', '.join(MISSING_EOS)}")
        value = MISSING_EOS[value]
    elif field.type == field.TYPE_STRING:
        value = str(value)
    elif value == 0 and not field.has_presence and name not in ZERO_IS_MEANT:
        raise ValueError("got 0, expected more than 0; leave it out for the recipe's default")
    setattr(message, name, value)


@dataclass(kw_only=True)
class _Updated(Spec):
    learning_rate: Annotated[float | None, "peak learning rate"] = None
    micro_batch_size: Annotated[int | None, "sequences per forward pass; at most the batch"] = None
    max_grad_norm: Annotated[float | None, "gradients are clipped to this norm"] = None
    weight_decay: Annotated[float | None, "AdamW's"] = None
    warmup_steps: Annotated[int | None, "steps of linear warm-up, at most a fifth of all"] = None
    checkpoint_every: Annotated[int | None, "steps between checkpoints"] = None


@dataclass(kw_only=True)
class _Optimized(_Updated):
    batch_size: Annotated[int | None, "sequences (pairs for reward models and DPO) per optimiser step"] = None
    epochs: Annotated[int | None, "passes over the dataset"] = None
    max_length: Annotated[int | None, "tokens per sequence; longer ones are counted and left out"] = None


@dataclass(kw_only=True)
class Sft(_Optimized):
    """Supervised fine-tuning on demonstrations."""

    kind = "sft"
    message = trainer_pb2.SftSpec

    base_model: Annotated[ModelName, "model to start from"]
    dataset: Annotated[DatasetName, "demonstrations"]


@dataclass(kw_only=True)
class RewardModel(_Optimized):
    """A Bradley-Terry reward model from comparisons."""

    kind = "reward_model"
    message = trainer_pb2.RewardModelSpec

    base_model: Annotated[ModelName, "model to start from, usually the SFT model"]
    dataset: Annotated[DatasetName, "comparisons"]
    demonstrations: Annotated[DatasetName | None, "made to score 0 on average; by default the chosen answers"] = None


@dataclass(kw_only=True)
class Dpo(_Optimized):
    """Direct preference optimisation on comparisons."""

    kind = "dpo"
    message = trainer_pb2.DpoSpec

    policy_model: Annotated[ModelName, "starting point and frozen reference"]
    dataset: Annotated[DatasetName, "comparisons"]
    beta: Annotated[float | None, "how strongly the policy is held to its reference"] = None


@dataclass(kw_only=True)
class Ppo(_Updated):
    """PPO with a KL penalty against the starting point."""

    kind = "ppo"
    message = trainer_pb2.PpoSpec

    policy_model: Annotated[ModelName, "starting point and frozen reference"]
    reward_model: Annotated[ModelName, "reward model"]
    prompts: Annotated[DatasetName, "dataset of prompts"]
    steps: Annotated[int | None, "PPO steps"] = None
    prompts_per_step: Annotated[int | None, "prompts per step"] = None
    samples_per_prompt: Annotated[int | None, "responses per prompt"] = None
    max_new_tokens: Annotated[int | None, "longest response, in tokens"] = None
    temperature: Annotated[float | None, "sampling temperature"] = None
    kl_coefficient: Annotated[float | None, "beta, the weight of the KL penalty"] = None
    kl_target: Annotated[float | None, "nats per response; above 0 turns the adaptive controller on"] = None
    clip_range: Annotated[float | None, "epsilon of the policy loss"] = None
    value_clip_range: Annotated[float | None, "epsilon of the value loss"] = None
    value_coefficient: Annotated[float | None, "weight of the value loss"] = None
    gamma: Annotated[float | None, "discount"] = None
    gae_lambda: Annotated[float | None, "lambda of generalised advantage estimation"] = None
    inner_epochs: Annotated[int | None, "passes over the rollouts of a step"] = None
    minibatches: Annotated[int | None, "optimiser steps per inner epoch"] = None
    reward_clip: Annotated[float | None, "scores are clipped to ± this"] = None
    missing_eos: Annotated[str | None, "what a response without an end gets: replace or subtract"] = None
    missing_eos_value: Annotated[float | None, "the score it is replaced by, or what is subtracted"] = None
    value_learning_rate: Annotated[float | None, "learning rate of the value model"] = None
    max_staleness: Annotated[int | None, "steps that a rollout's weights may lag behind; 0: strictly on-policy"] = None


@dataclass(kw_only=True)
class Evaluate(Spec):
    """Samples from a policy, scored and compared with a reference."""

    kind = "evaluate"
    message = trainer_pb2.EvaluateSpec

    policy_model: Annotated[ModelName, "policy to sample from"]
    prompts: Annotated[DatasetName, "dataset of prompts"]
    reference_model: Annotated[ModelName | None, "for the KL; none: no KL"] = None
    reward_model: Annotated[ModelName | None, "for scores; none: no scores"] = None
    samples_per_prompt: Annotated[int | None, "responses per prompt"] = None
    max_new_tokens: Annotated[int | None, "longest response, in tokens"] = None
    temperature: Annotated[float | None, "sampling temperature"] = None


class Pipeline(Spec):
    """Stages one after another: Pipeline(sft=Sft(…), reward_model=RewardModel(base_model="stage:sft", …)).

    Each stage is named by its keyword; later ones name its model as "stage:<name>".
    """

    kind = "pipeline"

    def __new__(cls, **stages: Spec) -> Self:
        return object.__new__(cls)

    def __init__(self, **stages: Spec) -> None:
        self.stages = stages

    def to_message(self) -> trainer_pb2.PipelineSpec:
        stages, problems = [], []
        for name, spec in self.stages.items():
            try:
                stages.append(trainer_pb2.PipelineStage(name=name, **{spec.kind: spec.to_message()}))
            except InvalidInputError as error:
                problems += [Problem(f"{name}.{problem.field}", problem.description) for problem in error.problems]
        if problems:
            raise InvalidInputError(*problems)
        return trainer_pb2.PipelineSpec(stages=stages)


def run_spec(spec: Spec, placement: Placement | None = None, **settings: Any) -> trainer_pb2.RunSpec:
    """`settings` are the other fields of the message."""
    message = trainer_pb2.RunSpec(placement=placement.to_message() if placement else None, **settings)
    getattr(message, spec.kind).CopyFrom(spec.to_message())
    return message
