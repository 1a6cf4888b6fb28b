"""From scores to per-token rewards, and the controller of the KL coefficient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from services.trainer.recipes import MissingEos, PpoSpec

CONTROLLER_ERROR_CLIP = 0.2
CONTROLLER_HORIZON = 10_000  # samples


def terminal_scores(scores_B: Tensor, ended_B: Tensor, spec: PpoSpec) -> Tensor:
    """Normalised scores after the rule for responses without an end-of-sequence token, then clipped.

    Such a response (`ended_B` false) stopped by length and never took the end-of-sequence action: what the reward
    model says of half an answer is not its score.
    """
    if spec.missing_eos is MissingEos.REPLACE:
        missing_B = torch.full_like(scores_B, spec.missing_eos_value)
    else:
        missing_B = scores_B - abs(spec.missing_eos_value)
    return torch.where(ended_B, scores_B, missing_B).clamp(-spec.reward_clip, spec.reward_clip)


def kl_per_token(logprobs_BR: Tensor, reference_logprobs_BR: Tensor, mask_BR: Tensor) -> Tensor:
    """The k1 estimate log(policy / reference) of each sampled token, in nats; 0 on padding."""
    return (logprobs_BR - reference_logprobs_BR).where(mask_BR, 0.0)


def shaped_rewards(scores_B: Tensor, kl_BR: Tensor, mask_BR: Tensor, kl_coefficient: float) -> Tensor:
    """-beta * KL on every token, plus the score on the last one."""
    last_B = mask_BR.sum(dim=1) - 1
    assert bool((last_B >= 0).all()), "a response has at least one token"
    rewards_BR = -kl_coefficient * kl_BR
    return rewards_BR.scatter_add(1, last_B[:, None], scores_B[:, None]).where(mask_BR, 0.0)


@dataclass
class KlController:
    """The KL coefficient: fixed, or adapted towards `target` nats per response (Ziegler et al. 2019, section 2.2)."""

    coefficient: float
    target: float = 0.0  # 0: fixed

    def update(self, kl_per_response: float, num_samples: int) -> None:
        if self.target > 0:
            error = kl_per_response / self.target - 1
            error = max(-CONTROLLER_ERROR_CLIP, min(CONTROLLER_ERROR_CLIP, error))
            self.coefficient *= 1 + error * num_samples / CONTROLLER_HORIZON
