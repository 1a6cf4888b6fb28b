"""A response on its way from the generator to the learner."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rollout:
    """One sampled response, and what reward model and reference say of it once they were asked."""

    place: int  # 0-based, of the prompt among those of one step
    sample: int  # 0-based, of the samples of one prompt; place and sample name a rollout within its step
    prompt: int  # index into the dataset of prompts
    prompt_ids: list[int]
    response_ids: list[int]  # length R, with the end-of-sequence token where it was sampled
    log_probs: list[float]  # length R: the generator's, of the scaled logits
    ended: bool  # the last action is the end-of-sequence token
    text: str  # the response without special tokens
    version: str  # "name@version" of the weights that made every token
    digest: str  # of those weights
    score: float | None = None  # normalised; None until scored, and where scoring failed
    raw_score: float | None = None  # the reward model's logit
    score_error: str = ""
    score_error_reason: str = ""  # in one word: too_long, not_finite or other
    truncated: bool = False  # the score is of a prompt that lost its start to fit the reward model's context
    reference_log_probs: list[float] | None = None  # length R


def read_rollouts(values: Sequence[dict[str, Any]]) -> list[Rollout]:
    """From JSON."""
    return [Rollout(**value) for value in values]


def scored(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """The usable ones: a missing score is not a zero."""
    return [rollout for rollout in rollouts if rollout.score is not None]


@dataclass(frozen=True)
class Score:
    """Either a number or the reason why there is none; never both."""

    normalized: float | None
    raw: float | None
    error: str = ""
    error_reason: str = ""
    truncated: bool = False


@dataclass(frozen=True)
class SamplingPlan:
    """How to sample; `seed` is this step's own, below 2**63."""

    samples_per_prompt: int
    max_new_tokens: int
    temperature: float
    seed: int
    deterministic: bool
