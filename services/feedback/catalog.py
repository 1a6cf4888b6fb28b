"""What a campaign names in the catalog: checked before it is accepted, and pinned so that it cannot change later."""

from dataclasses import replace
from math import comb

from services.feedback.recipe import (
    MAX_PAIRS_DRAWN_FROM,
    MAX_PROMPTS,
    CampaignKind,
    CampaignSpec,
    Generation,
)
from services.runtime.errors import InvalidInput, Problem
from services.storage.datasets import DatasetStore
from services.storage.models import ModelStore

# Types of record that give items, by the campaign's kind.
SOURCES = {
    CampaignKind.COMPARISON: ("comparison",),
    CampaignKind.RANKING: (),
    CampaignKind.DEMONSTRATION: ("prompt", "demonstration"),
}


class Catalog:
    def __init__(self, models: ModelStore, datasets: DatasetStore) -> None:
        self._models, self._datasets = models, datasets

    def pin(self, spec: CampaignSpec) -> CampaignSpec:
        """Raises NotFound for what is not there, InvalidInput for what does not fit."""
        if spec.dataset:
            dataset = self._dataset("spec.dataset", spec.dataset, SOURCES[spec.kind])[0]
            return replace(spec, dataset=dataset)
        return replace(spec, generation=self._pinned(spec, spec.generation)) if spec.generation else spec

    def _pinned(self, spec: CampaignSpec, generation: Generation) -> Generation:
        dataset, count = "", len(generation.prompts)
        if generation.dataset:
            dataset, count = self._dataset("spec.generated.dataset", generation.dataset, ("prompt",))
        _refuse_too_many(spec, generation, count)
        names = {name: getattr(generation, name) for name in ("models", "reward_models")}
        pinned = {name: tuple(str(self._models.resolve(model)) for model in models) for name, models in names.items()}
        return replace(generation, dataset=dataset, **pinned)

    def _dataset(self, field: str, reference: str, types: tuple[str, ...]) -> tuple[str, int]:
        info = self._datasets.resolve(reference)
        if info.record_type not in types:
            raise InvalidInput(Problem(field, f"a dataset of type {info.record_type}", " or ".join(types) or "none"))
        return str(info), info.num_records


def _refuse_too_many(spec: CampaignSpec, generation: Generation, prompts: int) -> None:
    if prompts > MAX_PROMPTS:
        raise InvalidInput(Problem("spec.generated.dataset", f"{prompts} prompts", f"at most {MAX_PROMPTS}"))
    pairs = prompts * comb(generation.samples_per_model * len(generation.models), 2)
    if spec.kind is CampaignKind.COMPARISON and pairs > MAX_PAIRS_DRAWN_FROM:
        expected = f"at most {MAX_PAIRS_DRAWN_FROM} pairs to draw from"
        raise InvalidInput(Problem("spec.generated.samples_per_model", f"{pairs} pairs", expected))
