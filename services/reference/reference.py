"""Log-probs of given tokens under a frozen model."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import torch

from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.log_probs import response_log_probs
from services.reference.metrics import ReferenceMetrics
from services.reference.settings import ReferenceSettings
from services.serving.batching import TokenBatcher
from services.serving.loaded import Loaded
from services.serving.pool import ModelPool
from services.serving.problems import Problems
from services.serving.prompts import check_ids
from services.storage.models import Version


@dataclass(frozen=True)
class TokenSequence:
    prompt_ids: list[int]  # P >= 1
    response_ids: list[int]  # R >= 1

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.response_ids)


Lane = tuple[Loaded, float]  # model and temperature


class Reference:
    def __init__(
        self, pool: ModelPool[Loaded], executor: Executor, settings: ReferenceSettings, metrics: ReferenceMetrics
    ):
        self._pool = pool
        self._metrics = metrics
        self._max_items = settings.max_items
        self._batcher = TokenBatcher[Lane, TokenSequence, list[float]](
            compute_log_probs,
            executor,
            batch_tokens=settings.batch_tokens,
            queue_tokens=settings.queue_tokens,
        )

    async def log_probs(
        self,
        model: str,
        sequences: list[TokenSequence],
        temperature: float,
        *,
        deterministic: bool,
    ) -> tuple[Version, list[list[float]]]:
        """One list of float log-probs per sequence, aligned with its response_ids."""
        started = time.monotonic()
        check_request(sequences, temperature, self._max_items)
        async with self._pool.acquire(model) as resident:
            loaded, version = resident.model, resident.version
            check_sequences(sequences, loaded)
            lengths = [len(sequence) for sequence in sequences]
            series, lane = self._metrics.of(version.model), (loaded, temperature or 1.0)
            results = await self._batcher.submit(lane, sequences, lengths, series, alone=deterministic)
        series.prompt_tokens.inc(sum(lengths))
        series.answered(version, len(sequences), started)
        return version, results


def load_frozen(folder: Path, device: torch.device) -> Loaded:
    return Loaded(load_causal(folder, device=device).requires_grad_(False), load_tokenizer(folder))


@torch.inference_mode()
def compute_log_probs(lane: Lane, sequences: list[TokenSequence]) -> list[list[float]]:
    loaded, temperature = lane
    prompts, responses = [s.prompt_ids for s in sequences], [s.response_ids for s in sequences]
    logprobs_BR = response_log_probs(loaded.model, prompts, responses, temperature, loaded.pad_id).logprobs_BR
    return [row[: len(response)] for row, response in zip(logprobs_BR.tolist(), responses, strict=True)]


def check_request(sequences: Sequence[TokenSequence], temperature: float, max_items: int) -> None:
    problems = Problems()
    if not 1 <= len(sequences) <= max_items:
        problems.add("sequences", len(sequences), f"1 to {max_items}")
    if not 0 <= temperature < float("inf"):
        problems.add("temperature", temperature, "a number above 0, or 0 for 1")
    for i, sequence in enumerate(sequences):
        if not sequence.prompt_ids:
            problems.add(f"sequences[{i}].prompt_ids", "none", "at least one token id")
        if not sequence.response_ids:
            problems.add(f"sequences[{i}].response_ids", "none", "at least one token id")
    problems.check()


def check_sequences(sequences: Sequence[TokenSequence], loaded: Loaded) -> None:
    problems = Problems()
    for i, sequence in enumerate(sequences):
        if len(sequence) > loaded.context:
            problems.add(f"sequences[{i}]", f"{len(sequence)} tokens", f"at most {loaded.context}, the context")
        with problems.collected():
            check_ids(loaded, sequence.prompt_ids, f"sequences[{i}].prompt_ids")
        with problems.collected():
            check_ids(loaded, sequence.response_ids, f"sequences[{i}].response_ids")
    problems.check()
