"""Draws tokens so that a sample depends on its own key alone, not on what else is in the batch.

Each draw inverts the distribution's CDF at a uniform number that is a hash of (seed, prompt index, sample index,
position): no generator has a state that neighbours could move. The hash is splitmix64 (Steele, Lea, Flood 2014).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.runtime.errors import InvalidInput, Problem

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MAX_STOPS = 16


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """Raises InvalidInput, naming all fields that are out of range."""

    max_new_tokens: int
    temperature: float = 1.0  # 0 means greedy
    top_p: float = 1.0
    top_k: int = 0  # 0: off
    seed: int = 0
    stop: tuple[str, ...] = ()  # texts that end a response

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise InvalidInput(*problems)

    def _problems(self) -> Iterator[Problem]:
        if not 0 <= self.temperature < float("inf"):
            yield Problem("sampling.temperature", str(self.temperature), "a finite number >= 0")
        if not 0 < self.top_p <= 1:
            yield Problem("sampling.top_p", str(self.top_p), "a number in (0, 1]")
        if self.top_k < 0:
            yield Problem("sampling.top_k", str(self.top_k), "0 (off) or more")
        if self.max_new_tokens < 1:
            yield Problem("sampling.max_new_tokens", str(self.max_new_tokens), "1 or more")
        if not 0 <= self.seed < 2**64:
            yield Problem("sampling.seed", str(self.seed), "an unsigned 64-bit number")
        if len(self.stop) > MAX_STOPS or not all(self.stop):
            yield Problem("sampling.stop", repr(self.stop)[:200], f"at most {MAX_STOPS} texts, none empty")


class BatchParams(NamedTuple):
    """The settings of the rows of one batch, as tensors made once per change of membership."""

    temperature_B1: Tensor | None  # None: 1 everywhere
    greedy_B: Tensor | None  # None: nowhere
    truncated_R: Tensor | None  # rows with top-p or top-k; None: nowhere
    top_p_R1: Tensor
    top_k_R1: Tensor

    @classmethod
    def of(cls, rows: Sequence[SamplingParams]) -> "BatchParams":
        temperature_B1 = torch.tensor([[row.temperature or 1.0] for row in rows])
        greedy_B = torch.tensor([row.temperature == 0 for row in rows])
        truncated = [i for i, row in enumerate(rows) if row.top_p < 1 or row.top_k > 0]
        return cls(
            temperature_B1 if (temperature_B1 != 1).any() else None,
            greedy_B if greedy_B.any() else None,
            torch.tensor(truncated) if truncated else None,
            torch.tensor([[rows[i].top_p] for i in truncated]),
            torch.tensor([[rows[i].top_k or 2**31 - 1] for i in truncated]),
        )


def request_key(seed: int, prompt_index: int, sample_index: int) -> np.uint64:
    key = np.zeros(1, dtype=np.uint64)
    for part in (seed, prompt_index, sample_index):
        key = _mix(key + GOLDEN + np.array([part], dtype=np.uint64))
    return key[0]


def uniforms(keys_B: NDArray[np.uint64], positions_B: NDArray[np.int64]) -> Tensor:
    """uniforms_B (float64) in [0, 1 - 2^-52]: so far from 1 that u times a rounded sum stays below the sum."""
    hashed_B = _mix(keys_B + (positions_B.astype(np.uint64) + np.uint64(1)) * GOLDEN)
    return torch.from_numpy((hashed_B >> np.uint64(12)).astype(np.float64) * 2.0**-52)


def sample(logits_BV: Tensor, params: BatchParams, uniforms_B: Tensor) -> tuple[Tensor, Tensor]:
    """ids_B (int64) and logprobs_B (float32, nats).

    Log-probs are those of softmax(logits / temperature) before top-p and top-k; greedy rows report temperature 1.
    Raises FloatingPointError when the logits are not numbers, as those of a model that diverged.
    """
    logits_BV = logits_BV.float()
    scaled_BV = logits_BV if params.temperature_B1 is None else logits_BV / params.temperature_B1.to(logits_BV.device)
    probs_BV = scaled_BV.softmax(dim=-1)
    ids_B1 = _draw(_truncate(probs_BV, params), uniforms_B.to(logits_BV.device))
    if params.greedy_B is not None:
        greedy_B1 = params.greedy_B.to(logits_BV.device)[:, None]
        ids_B1 = torch.where(greedy_B1, logits_BV.argmax(dim=-1, keepdim=True), ids_B1)
    return ids_B1.squeeze(1), probs_BV.gather(1, ids_B1).log().squeeze(1)


def _draw(probs_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    # Double: in float32 the cumulative sum would swallow rare tokens.
    cdf_BV = probs_BV.cumsum(dim=-1, dtype=torch.float64)
    total_B1 = cdf_BV[:, -1:]
    if not total_B1.isfinite().all():
        raise FloatingPointError("the model's logits are not finite")
    return torch.searchsorted(cdf_BV, uniforms_B[:, None] * total_B1, right=True)


def _truncate(probs_BV: Tensor, params: BatchParams) -> Tensor:
    """Zero outside each row's top-k tokens and outside the smallest set that holds top-p of the mass."""
    if params.truncated_R is None:
        return probs_BV
    rows_R = params.truncated_R.to(probs_BV.device)
    sorted_RV, order_RV = probs_BV[rows_R].sort(dim=-1, descending=True, stable=True)
    mass_before_RV = sorted_RV.cumsum(dim=-1) - sorted_RV
    rank_V = torch.arange(probs_BV.shape[1], device=probs_BV.device)
    keep_RV = (mass_before_RV < params.top_p_R1.to(rows_R.device)) & (rank_V < params.top_k_R1.to(rows_R.device))
    kept_RV = torch.zeros_like(sorted_RV).scatter(1, order_RV, sorted_RV * keep_RV)
    return probs_BV.index_copy(0, rows_R, kept_RV)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
