"""One step's experience as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from services.runtime.errors import Conflict
from services.trainer.worker.experience import Rollout
from services.trainer.worker.ppo.advantages import MIN_WHITENING_SAMPLES


@dataclass(frozen=True)
class Batch:
    """All BR tensors are float32, aligned with `responses` and right-padded; only what the mask covers counts."""

    prompts: list[list[int]]
    responses: list[list[int]]
    mask_BR: Tensor  # bool: trainable tokens
    logprobs_BR: Tensor  # the policy's before the update ("old"), by the trainer's own forward
    behaviour_logprobs_BR: Tensor  # the generator's
    reference_logprobs_BR: Tensor
    entropy_BR: Tensor
    values_BR: Tensor  # before the update
    scores_B: Tensor  # normalised
    ended_B: Tensor  # bool

    @property
    def lengths(self) -> list[int]:
        """Tokens of prompt and response."""
        return [len(p) + len(r) for p, r in zip(self.prompts, self.responses, strict=True)]


@dataclass(frozen=True)
class Targets:
    """What the update learns from; BR tensors are right-padded."""

    rewards_B: Tensor  # of whole responses: what is maximised, the KL penalty included
    advantages_BR: Tensor  # whitened
    returns_BR: Tensor
    weights_BR: Tensor  # truncated importance weights against the generator


def pad_floats(rows: Sequence[Sequence[float]]) -> Tensor:
    """float32, shape BR, right-padded with 0."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def enough(rollouts: Sequence[Rollout]) -> bool:
    """Whether an update can be made of those that have a score."""
    return sum(rollout.score is not None for rollout in rollouts) >= MIN_WHITENING_SAMPLES


def require_enough(usable: Sequence[Rollout], rollouts: Sequence[Rollout]) -> None:
    """Raises Conflict where too few samples have a score, with the first reason why."""
    if not enough(usable):
        reason = next((rollout.score_error for rollout in rollouts if rollout.score_error), "there are no more")
        raise Conflict(
            f"{len(usable)} of {len(rollouts)} samples have a score, an update needs {MIN_WHITENING_SAMPLES}: {reason}"
        )


def require_complete(rollouts: Sequence[Rollout]) -> None:
    """What reaches the learner has a score, log-probs from everybody, and one of each per token."""
    for r in rollouts:
        assert r.score is not None
        assert r.reference_log_probs is not None
        assert len(r.response_ids) == len(r.log_probs) == len(r.reference_log_probs) > 0
