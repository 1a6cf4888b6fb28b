"""What a campaign is asked to be."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.data.records import Message, Prompt
from services.feedback.items import PAIR, RANKED, Item, problems_of
from services.runtime.errors import InvalidInput, Problem
from services.storage.names import NAME, check_name

MAX_GUIDELINES = 65_536  # characters
MAX_TITLE = 200
MAX_MODELS, MAX_SKILLS = 16, 16
MAX_SAMPLES = 16  # of one model for one prompt
MAX_OVERLAP = 100
MAX_PROMPTS = 10_000  # of one campaign that generates
MAX_PAIRS_DRAWN_FROM = 1_000_000


class CampaignKind(StrEnum):
    COMPARISON = "comparison"
    RANKING = "ranking"
    DEMONSTRATION = "demonstration"


class PairSelection(StrEnum):
    RANDOM = "random"
    UNCERTAINTY = "uncertainty"


@dataclass(frozen=True)
class CampaignPrompt:
    prompt: Prompt
    domain: str = ""


@dataclass(frozen=True)
class Sampling:
    max_new_tokens: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    """Every model answers every prompt `samples_per_model` times."""

    models: tuple[str, ...]
    dataset: str = ""
    prompts: tuple[CampaignPrompt, ...] = ()
    samples_per_model: int = 0  # 0: enough for one item
    sampling: Sampling = Sampling()
    num_items: int = 0  # 0: one per prompt
    selection: PairSelection = PairSelection.RANDOM
    reward_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class CampaignSpec:
    name: str
    title: str = ""
    kind: CampaignKind = CampaignKind.COMPARISON
    guidelines: str = ""
    generation: Generation | None = None
    dataset: str = ""
    overlap: int = 2
    overlap_share: float = 0.2
    gold_share: float = 0.08
    repeat_share: float = 0.05
    strength: bool = False
    responses_per_item: int = 0
    skills: tuple[str, ...] = ()
    seed: int = 0
    sizes: range = field(init=False, repr=False, compare=False)  # how many responses an item may have

    def __post_init__(self) -> None:
        sizes = {
            CampaignKind.COMPARISON: range(PAIR, PAIR + 1),
            CampaignKind.RANKING: range(self.responses_per_item, self.responses_per_item + 1),
            CampaignKind.DEMONSTRATION: range(0, 2),
        }
        object.__setattr__(self, "sizes", sizes[self.kind])

    @property
    def has_source(self) -> bool:
        return bool(self.generation or self.dataset)


def completed(spec: CampaignSpec) -> CampaignSpec:
    """With every default filled in. Raises InvalidInput with all problems."""
    if problems := [*_problems(spec), *(_generation_problems(spec, spec.generation) if spec.generation else ())]:
        raise InvalidInput(*problems)
    generation = spec.generation
    if generation and not generation.samples_per_model:
        wanted = 1 if spec.kind is CampaignKind.DEMONSTRATION else spec.sizes.start
        generation = dataclasses.replace(generation, samples_per_model=-(-wanted // len(generation.models)))
    return dataclasses.replace(spec, title=spec.title or spec.name, generation=generation)


def _problems(spec: CampaignSpec) -> Iterator[Problem]:
    try:
        check_name("spec.name", spec.name)
    except InvalidInput as error:
        yield from error.problems
    for name, limit in (("title", MAX_TITLE), ("guidelines", MAX_GUIDELINES)):
        if (length := len(getattr(spec, name))) > limit:
            yield Problem(f"spec.{name}", f"{length} characters", f"at most {limit}")
    for name in ("overlap_share", "gold_share", "repeat_share"):
        if not 0 <= getattr(spec, name) <= 1:
            yield Problem(f"spec.{name}", str(getattr(spec, name)), "a share, 0 to 1")
    if spec.gold_share + spec.repeat_share > 0.5:
        given = f"{spec.gold_share:g} and repeat_share {spec.repeat_share:g}"
        yield Problem("spec.gold_share", given, "at most 0.5 together, or raters see little else")
    if not 1 <= spec.overlap <= MAX_OVERLAP:
        yield Problem("spec.overlap", str(spec.overlap), f"1 to {MAX_OVERLAP} raters")
    if spec.kind is CampaignKind.RANKING and spec.responses_per_item not in RANKED:
        given = str(spec.responses_per_item)
        yield Problem("spec.responses_per_item", given, f"{RANKED.start} to {RANKED.stop - 1}")
    if spec.strength and spec.kind is not CampaignKind.COMPARISON:
        yield Problem("spec.strength", "true", f"false: {spec.kind} campaigns ask for no strength")
    if len(spec.skills) > MAX_SKILLS or not all(map(NAME.fullmatch, spec.skills)):
        yield Problem("spec.skills", ", ".join(spec.skills)[:120], f"at most {MAX_SKILLS} names")


def _generation_problems(spec: CampaignSpec, generation: Generation) -> Iterator[Problem]:
    where = "spec.generated"
    if bool(generation.dataset) == bool(generation.prompts):
        given = "both" if generation.dataset else "none"
        yield Problem(f"{where}.prompts", given, "prompts, or a dataset of prompts")
    if len(generation.prompts) > MAX_PROMPTS:
        yield Problem(f"{where}.prompts", str(len(generation.prompts)), f"at most {MAX_PROMPTS}")
    prompts = [Item(p.prompt, (), domain=p.domain) for p in generation.prompts[:MAX_PROMPTS]]
    yield from problems_of(prompts, range(0, 1), f"{where}.prompts")
    most = 1 if spec.kind is CampaignKind.DEMONSTRATION else MAX_MODELS
    if not 1 <= len(generation.models) <= most:
        yield Problem(f"{where}.models", str(len(generation.models)), f"1 to {most}")
        return
    least = 1 if spec.kind is CampaignKind.DEMONSTRATION else spec.sizes.start
    given, samples = generation.samples_per_model * len(generation.models), generation.samples_per_model
    if samples > MAX_SAMPLES or (samples and given < least):
        yield Problem(f"{where}.samples_per_model", str(samples), f"at most {MAX_SAMPLES}, for {least} or more in all")
    if generation.sampling.max_new_tokens < 1:
        yield Problem(f"{where}.sampling.max_new_tokens", str(generation.sampling.max_new_tokens), "1 or more")
    yield from _selection_problems(spec, generation)


def _selection_problems(spec: CampaignSpec, generation: Generation) -> Iterator[Problem]:
    uncertain = generation.selection is PairSelection.UNCERTAINTY
    if uncertain and spec.kind is not CampaignKind.COMPARISON:
        yield Problem("spec.generated.selection", "uncertainty", "random: only pairs are drawn by uncertainty")
    if uncertain != bool(generation.reward_models) or len(generation.reward_models) > MAX_MODELS:
        expected = f"1 to {MAX_MODELS} reward models" if uncertain else "none unless selection is uncertainty"
        yield Problem("spec.generated.reward_models", str(len(generation.reward_models)), expected)


def spec_to_json(spec: CampaignSpec) -> dict[str, Any]:
    values = dataclasses.asdict(spec)
    del values["sizes"]
    return values


def spec_from_json(values: dict[str, Any]) -> CampaignSpec:
    generation = values.pop("generation")
    kind, skills = CampaignKind(values.pop("kind")), tuple(values.pop("skills"))
    return CampaignSpec(**values, kind=kind, skills=skills, generation=_generation(generation) if generation else None)


def _generation(values: dict[str, Any]) -> Generation:
    sampling = values.pop("sampling")
    sampling["stop"] = tuple(sampling["stop"])
    prompts = [
        CampaignPrompt(tuple(Message(**message) for message in entry["prompt"]), entry["domain"])
        for entry in values.pop("prompts")
    ]
    return Generation(
        models=tuple(values.pop("models")),
        reward_models=tuple(values.pop("reward_models")),
        selection=PairSelection(values.pop("selection")),
        prompts=tuple(prompts),
        sampling=Sampling(**sampling),
        **values,
    )
