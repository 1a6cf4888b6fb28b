"""Looks at a whole spec before anything starts, lists every problem at once, and pins the names it holds."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.runtime.errors import InvalidInput, NotFound, Problem
from services.storage.datasets import DatasetStore
from services.storage.models import ModelStore
from services.storage.names import check_name
from services.storage.object_store import ObjectStore
from services.trainer.placement import Placement, local_problems
from services.trainer.recipes import PipelineSpec, RunSpec, StageSpec, kind_of
from services.trainer.references import (
    DATASETS,
    MODELS,
    ORIGINS,
    RESULTS,
    STAGE,
    ModelFacts,
    ModelKind,
    newest_facts,
)
from services.trainer.rules import contradictions, out_of_range

MAX_STAGES = 32


class Validator:
    """`placement_problems` knows what the trainer's launcher can give."""

    def __init__(
        self,
        store: ObjectStore,
        models: ModelStore,
        datasets: DatasetStore,
        placement_problems: Callable[[Placement], Iterator[Problem]] = local_problems,
    ) -> None:
        self._store = store
        self._models = models
        self._datasets = datasets
        self._placement_problems = placement_problems

    def pinned(self, spec: RunSpec, refused: Sequence[Problem] = ()) -> RunSpec:
        """The spec with each model and dataset named by its version; "newest" would mean another one tomorrow.

        Raises InvalidInput with everything that is wrong, together with what was `refused` before.
        """
        check = _Check(self._store, self._models, self._datasets, spec)
        stages = tuple((name, check.stage(path, name, stage)) for path, name, stage in _paths(spec))
        problems = [*refused, *_run_problems(spec), *self._placement_problems(spec.placement), *check.problems]
        if problems:
            raise InvalidInput(*problems)
        stage = PipelineSpec(stages) if isinstance(spec.stage, PipelineSpec) else stages[0][1]
        return dataclasses.replace(spec, stage=stage)


@dataclass
class _Check:
    """Goes through the stages in order and remembers what each will make."""

    store: ObjectStore
    models: ModelStore
    datasets: DatasetStore
    spec: RunSpec
    problems: list[Problem] = field(default_factory=list)
    results: dict[str, ModelFacts | None] = field(default_factory=dict)

    def stage(self, path: str, name: str, stage: StageSpec) -> StageSpec:
        """The stage with its names pinned as far as they are good."""
        kind = kind_of(stage)
        self.problems += [*out_of_range(path, stage), *contradictions(path, stage)]
        facts: dict[str, ModelFacts] = {}
        pins: dict[str, str] = {}
        for field_name, needed in MODELS[kind].items():
            self._model(path, stage, field_name, needed, facts, pins)
        for field_name, record_type in DATASETS[kind].items():
            self._dataset(path, stage, field_name, record_type, pins)
        self.problems += [*_mismatches(path, facts), *_too_long(path, stage, facts)]
        origin = facts.get(ORIGINS.get(kind, ""))
        unknown = ModelFacts(RESULTS[kind]) if kind in RESULTS else None
        self.results[name] = dataclasses.replace(origin, kind=RESULTS[kind]) if origin else unknown
        return dataclasses.replace(stage, **pins)

    def _model(
        self,
        path: str,
        stage: StageSpec,
        name: str,
        needed: ModelKind,
        facts: dict[str, ModelFacts],
        pins: dict[str, str],
    ) -> None:
        given = getattr(stage, name)
        if not given:
            self._missing(path, stage, name, needed)
        elif given.startswith(STAGE):
            found = self._result(f"{path}.{name}", given, needed)
            facts |= {name: found} if found else {}
        else:
            try:
                version, found = newest_facts(self.models, self.store, given)
            except (NotFound, InvalidInput) as error:
                self.problems.append(Problem(f"{path}.{name}", repr(given), f"{needed} of the catalog ({error})"))
                return
            pins[name], facts[name] = str(version), found
            self._expect_kind(f"{path}.{name}", f"{given!r}, {found.kind}", found, needed)

    def _result(self, path: str, given: str, needed: ModelKind) -> ModelFacts | None:
        name = given.removeprefix(STAGE)
        if name not in self.results:
            earlier = ", ".join(STAGE + known for known in self.results) or "no stage comes before this one"
            self.problems.append(Problem(path, repr(given), f"an earlier stage ({earlier})"))
            return None
        found = self.results[name]
        if found is None:
            self.problems.append(Problem(path, f"{given!r}, an evaluation", f"a stage that makes {needed}"))
            return None
        self._expect_kind(path, f"{given!r}, which makes {found.kind}", found, needed)
        return found

    def _expect_kind(self, path: str, given: str, found: ModelFacts, needed: ModelKind) -> None:
        if needed is not ModelKind.ANY and found.kind is not needed:
            self.problems.append(Problem(path, given, needed))

    def _dataset(self, path: str, stage: StageSpec, name: str, record_type: str, pins: dict[str, str]) -> None:
        given, needed = getattr(stage, name), f"a dataset of {record_type}s"
        if not given:
            self._missing(path, stage, name, needed)
            return
        try:
            dataset = self.datasets.resolve(given)
        except (NotFound, InvalidInput) as error:
            self.problems.append(Problem(f"{path}.{name}", repr(given), f"{needed} of the catalog ({error})"))
            return
        pins[name] = str(dataset)
        if dataset.record_type != record_type:
            self.problems.append(Problem(f"{path}.{name}", f"{given!r} with {dataset.record_type}s", needed))

    def _missing(self, path: str, stage: StageSpec, name: str, needed: str) -> None:
        """Optional names are those with a default."""
        if _field(stage, name).default is dataclasses.MISSING:
            self.problems.append(Problem(f"{path}.{name}", "nothing", needed))


def _paths(spec: RunSpec) -> Iterator[tuple[str, str, StageSpec]]:
    """(field path, stage name, stage)"""
    for index, (name, stage) in enumerate(spec.stages()):
        within = f"pipeline.stages[{index}]." if isinstance(spec.stage, PipelineSpec) else ""
        yield f"spec.{within}{kind_of(stage)}", name, stage


def _run_problems(spec: RunSpec) -> Iterator[Problem]:
    yield from _name_problems("spec.name", spec.name)
    yield from out_of_range("spec", spec)
    if isinstance(spec.stage, PipelineSpec):
        yield from _pipeline_problems("spec.pipeline.stages", [name for name, _ in spec.stage.stages])


def _pipeline_problems(path: str, names: list[str]) -> Iterator[Problem]:
    if not 1 <= len(names) <= MAX_STAGES:
        yield Problem(path, f"{len(names)} stages", f"1 to {MAX_STAGES} stages")
    for index, name in enumerate(names):
        yield from _name_problems(f"{path}[{index}].name", name)
        if name in names[:index]:
            yield Problem(f"{path}[{index}].name", f"{name!r} again", "a name that no other stage has")


def _name_problems(path: str, name: str) -> Iterator[Problem]:
    try:
        check_name(path, name)
    except InvalidInput as error:
        yield from error.problems


def _mismatches(path: str, facts: dict[str, ModelFacts]) -> Iterator[Problem]:
    """Token ids travel between a policy and its reference; a reward model with another tokenizer is sent text."""
    policy, reference, reward = (facts.get(name) for name in ("policy_model", "reference_model", "reward_model"))
    if policy and reference and _differ(policy.tokenizer_digest, reference.tokenizer_digest):
        yield Problem(
            f"{path}.reference_model",
            f"a model with the tokenizer {reference.tokenizer_digest[:12]}",
            f"the policy's tokenizer, {policy.tokenizer_digest[:12]}",
        )
    same_tokenizer = policy and reward and policy.tokenizer_digest == reward.tokenizer_digest
    if policy and reward and same_tokenizer and _differ(policy.chat_template_digest, reward.chat_template_digest):
        yield Problem(
            f"{path}.reward_model",
            f"a model trained with the chat template {reward.chat_template_digest[:12]}",
            f"the policy's chat template, {policy.chat_template_digest[:12]}",
        )


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _too_long(path: str, stage: StageSpec, facts: dict[str, ModelFacts]) -> Iterator[Problem]:
    policy, asked = facts.get("policy_model"), getattr(stage, "max_new_tokens", 0)
    if policy and policy.context and asked >= policy.context:
        expected = f"fewer than the {policy.context} tokens that the policy's context has for prompt and response"
        yield Problem(f"{path}.max_new_tokens", str(asked), expected)


def _field(stage: StageSpec, name: str) -> Any:
    return next(f for f in dataclasses.fields(stage) if f.name == name)
