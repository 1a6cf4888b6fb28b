"""Scores (prompt, response) items with one reward model or an ensemble."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack

import torch

from services.language_model.scoring import raw_scores
from services.reward.metrics import RewardMetrics, RewardSeries
from services.reward.model import Encoded, RewardModel, ScoreItem
from services.reward.scores import MemberScore, Score, combine
from services.reward.settings import RewardSettings
from services.runtime.logs import note
from services.serving.batching import TokenBatcher
from services.serving.pool import ModelPool
from services.serving.problems import Problems
from services.serving.resident import Resident

Member = Resident[RewardModel]


class Reward:
    def __init__(
        self, pool: ModelPool[RewardModel], executor: Executor, settings: RewardSettings, metrics: RewardMetrics
    ):
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._batcher = TokenBatcher[RewardModel, list[int], float](
            compute_scores,
            executor,
            batch_tokens=settings.batch_tokens,
            queue_tokens=settings.queue_tokens,
        )

    async def score(
        self,
        models: Sequence[str],
        items: Sequence[ScoreItem],
        tokenizer_digest: str,
        *,
        deterministic: bool = False,
    ) -> list[Score]:
        """One score per item, aligned; an item that cannot be scored says why in its own score."""
        started = time.monotonic()
        self._check(models, items)
        async with AsyncExitStack() as leases:
            members = [await leases.enter_async_context(self._pool.acquire(model)) for model in models]
            note(model_version=" ".join(str(member.version) for member in members))
            check_digest(members, items, tokenizer_digest)
            encoded = [await asyncio.to_thread(encode_all, member.model, items) for member in members]
            rows = [
                await self._ask(member, of_member, deterministic)
                for member, of_member in zip(members, encoded, strict=True)
            ]
        for member in members:
            self._metrics.of(member.version.model).answered(member.version, len(items), started)
        return [combine(of_item) for of_item in zip(*rows, strict=True)]

    async def rank(
        self,
        models: Sequence[str],
        items: Sequence[ScoreItem],
        tokenizer_digest: str,
    ) -> list[tuple[int, Score]]:
        """(index into items, score), highest normalised score first, errors last, equal scores in the order given."""
        scores = await self.score(models, items, tokenizer_digest)
        return sorted(enumerate(scores), key=lambda ranked: (bool(ranked[1].error), -ranked[1].normalized))

    async def _ask(self, member: Member, encoded: Sequence[Encoded], alone: bool) -> list[MemberScore]:
        fitting = [e.ids for e in encoded if not e.error]
        lengths, series = [len(ids) for ids in fitting], self._metrics.of(member.version.model)
        series.prompt_tokens.inc(sum(lengths))
        logits = iter(await self._batcher.submit(member.model, fitting, lengths, series, alone=alone))
        version, offset = member.version, member.model.offset
        scores = [
            MemberScore(version, error=e.error) if e.error else MemberScore(version, next(logits), offset, e.truncated)
            for e in encoded
        ]
        count(series, scores)
        return scores

    def _check(self, models: Sequence[str], items: Sequence[ScoreItem]) -> None:
        problems = Problems()
        if not 1 <= len(models) <= self._settings.max_members:
            problems.add("models", len(models), f"1 to {self._settings.max_members} reward models")
        if not 1 <= len(items) <= self._settings.max_items:
            problems.add("items", len(items), f"1 to {self._settings.max_items}")
        for item in items:
            if item.sequence:
                if item.prompt or item.response:
                    problems.add(item.prompt_field, "a sequence as well", "a sequence, or a prompt and its response")
                continue
            if not item.prompt:
                problems.add(item.prompt_field, "empty", "token ids, a text or at least one message")
            if item.response == []:
                problems.add(item.response_field, "empty", "token ids or a text")
        problems.check()


def count(series: RewardSeries, scores: Sequence[MemberScore]) -> None:
    series.truncated.inc(sum(score.truncated for score in scores))
    for score in scores:
        if score.reason:
            series.failed[score.reason].inc()


@torch.inference_mode()
def compute_scores(model: RewardModel, sequences: list[list[int]]) -> list[float]:
    return raw_scores(model.model, sequences, model.pad_id).tolist()


def check_digest(members: Sequence[Member], items: Sequence[ScoreItem], digest: str) -> None:
    """Ids of another tokenizer would be scored without complaint, and wrongly."""
    if not any(item.holds_ids for item in items):
        return
    problems = Problems()
    for member in members:
        if digest != member.model.tokenizer_digest:
            expected = f"{member.model.tokenizer_digest}, that of {member.version}, or texts instead of ids"
            problems.add("tokenizer_digest", digest or "nothing", expected)
    problems.check()


def encode_all(model: RewardModel, items: Sequence[ScoreItem]) -> list[Encoded]:
    encoded, problems = [], Problems()
    for item in items:
        with problems.collected():
            encoded.append(model.encode(item))
    problems.check()
    return encoded
