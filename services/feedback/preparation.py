"""Gives a campaign its items: responses from the policy service, or records of the catalog.

What was generated is kept part by part, so that a restart goes on where it stopped; the draw follows from the seed.
"""

import asyncio
import logging
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from services.data import Comparison, Demonstration, Record, read_canonical
from services.data.records import Prompt
from services.feedback.archive import Archive, End
from services.feedback.campaign import SOURCE, Campaign, CampaignState
from services.feedback.candidates import Candidate, Response, candidates, drawn_items
from services.feedback.items import Item
from services.feedback.recipe import CampaignKind, CampaignPrompt, Generation, PairSelection, Sampling
from services.feedback.selection import uncertainty
from services.runtime.errors import InvalidInput, Problem, RetryLater, ServiceError, as_service_error
from services.storage.datasets import DatasetStore

PROMPTS_AT_ONCE = 32

Told = Callable[[str], None]


class Models(Protocol):
    """See `rollouts.ModelServices`."""

    def generate(
        self, model: str, prompts: Sequence[Prompt], samples: int, sampling: Sampling, seed: int, told: Told
    ) -> list[list[str]]: ...

    def score(
        self, models: Sequence[str], items: Sequence[tuple[Prompt, str]], told: Told
    ) -> list[list[float] | None]: ...

    def close(self) -> None: ...


log = logging.getLogger(__name__)


class Preparation:
    """One campaign at a time in a thread of its own, and beside it one of those that wait for no other service."""

    def __init__(self, archive: Archive, datasets: DatasetStore, models: Models) -> None:
        self._archive, self._datasets, self._models = archive, datasets, models
        self._generated: asyncio.Queue[Campaign] = asyncio.Queue()
        self._read: asyncio.Queue[Campaign] = asyncio.Queue()
        self._stopping = False

    def put(self, campaign: Campaign) -> None:
        if campaign.state is CampaignState.PREPARING:
            (self._generated if campaign.spec.generation else self._read).put_nowait(campaign)

    async def work(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for waiting in (self._generated, self._read):
                group.create_task(self._work_on(waiting))

    async def _work_on(self, waiting: asyncio.Queue[Campaign]) -> None:
        while True:
            campaign = await waiting.get()
            if campaign.state is CampaignState.PREPARING:
                await self._prepare(campaign)

    def stop(self) -> None:
        self._stopping = True
        self._models.close()

    async def _prepare(self, campaign: Campaign) -> None:
        try:
            items = await asyncio.to_thread(self._items, campaign)
            async with campaign.changing:
                if campaign.end is None:
                    await campaign.add(SOURCE, items)
        except RetryLater as error:
            campaign.preparing = f"waits: {error.message}"
            await asyncio.sleep(error.retry_after)
            self.put(campaign)
        except Exception as error:
            if self._stopping or campaign.end:
                return
            failure = as_service_error(error)
            log.warning("campaign %s cannot be prepared: %s", campaign.name, failure)
            await self._fail(campaign, failure)

    async def _fail(self, campaign: Campaign, failure: ServiceError) -> None:
        """What cannot be written now is tried again with the next start."""
        try:
            await campaign.finish(End(time.time(), failure.message))
        except ServiceError as error:
            log.error("campaign %s: %s", campaign.name, error)
            campaign.preparing = failure.message

    def _items(self, campaign: Campaign) -> list[Item]:
        spec = campaign.spec
        items = self._draw(campaign, spec.generation) if spec.generation else self._copy(spec.dataset, spec.seed)
        if not items:
            raise InvalidInput(Problem("items", "none", "at least one: prompts with enough different responses"))
        return items

    def _draw(self, campaign: Campaign, generation: Generation) -> list[Item]:
        prompts = list(generation.prompts)
        if generation.dataset:
            prompts = [CampaignPrompt(record.prompt) for record in self._records(generation.dataset)]
        responses = [
            r for start in range(0, len(prompts), PROMPTS_AT_ONCE) for r in self._part(campaign, prompts, start)
        ]
        size = 1 if campaign.spec.kind is CampaignKind.DEMONSTRATION else campaign.spec.sizes.start
        found = candidates(prompts, responses, size, random.Random(f"items-{campaign.spec.seed}"))
        count = generation.num_items or len({candidate.prompt for candidate in found})
        return drawn_items(found, self._weights(campaign, generation, found), count, campaign.spec.seed)

    def _part(self, campaign: Campaign, prompts: Sequence[CampaignPrompt], start: int) -> list[list[Response]]:
        """Responses of all models to the prompts from `start` on."""
        generation = campaign.spec.generation
        assert generation, "only such campaigns come here"
        part, number = prompts[start : start + PROMPTS_AT_ONCE], start // PROMPTS_AT_ONCE
        campaign.tell(f"{start} of {len(prompts)} prompts have their responses")
        texts = self._archive.read_responses(campaign.name, number)
        if texts is None:
            texts = self._ask(campaign, generation, [p.prompt for p in part], number)
            self._archive.write_responses(campaign.name, number, texts)
        sources = [model for model in generation.models for _ in range(generation.samples_per_model)]
        return [list(zip(row, sources, strict=True)) for row in texts]

    def _ask(self, campaign: Campaign, generation: Generation, prompts: list[Prompt], number: int) -> list[list[str]]:
        rows: list[list[str]] = [[] for _ in prompts]
        for place, model in enumerate(generation.models):
            seed = random.Random(f"{campaign.spec.seed}-{number}-{place}").getrandbits(63)
            answers = self._models.generate(
                model, prompts, generation.samples_per_model, generation.sampling, seed, campaign.tell
            )
            for row, texts in zip(rows, answers, strict=True):
                row += texts
        return rows

    def _weights(self, campaign: Campaign, generation: Generation, found: Sequence[Candidate]) -> np.ndarray:
        if generation.selection is PairSelection.RANDOM or not found:
            return np.ones(len(found))
        places = {(c.prompt.prompt, text): 0 for c in found for text, _ in c.responses}
        campaign.tell(f"{len(places)} responses are scored")
        scores = self._models.score(generation.reward_models, list(places), campaign.tell)
        failed = [float("nan")] * len(generation.reward_models)
        known = {place: failed if score is None else score for place, score in zip(places, scores, strict=True)}
        sides = [
            [known[candidate.prompt.prompt, candidate.responses[side][0]] for candidate in found] for side in (0, 1)
        ]
        return uncertainty(*sides)

    def _copy(self, dataset: str, seed: int) -> list[Item]:
        rng = random.Random(f"sides-{seed}")
        return [_item(record, rng) for record in self._records(dataset)]

    def _records(self, dataset: str) -> list[Record]:
        with tempfile.TemporaryDirectory() as folder:
            return read_canonical(self._datasets.fetch(self._datasets.resolve(dataset), Path(folder)))


def _item(record: Record, rng: random.Random) -> Item:
    match record:
        case Comparison():
            responses = [record.chosen, record.rejected]
            rng.shuffle(responses)  # which one was chosen is forgotten
            return Item(record.prompt, tuple(responses))
        case Demonstration():
            return Item(record.prompt, (record.response,))
        case _:
            return Item(record.prompt, ())
