"""PPO's clipped losses (Schulman et al. 2017; Huang et al. 2024, "The N+ Implementation Details of RLHF with PPO").

Deviation: a truncated importance weight corrects for a generator whose log-probs differ from the trainer's.
"""

from typing import NamedTuple

import torch
from torch import Tensor

MAX_LOG_RATIO = 20.0  # exp(20) is still finite in fp32
MAX_IMPORTANCE_WEIGHT = 2.0


class PolicyTerms(NamedTuple):
    """Sums over trainable tokens; divide by their number."""

    loss: Tensor
    clipped: Tensor
    approx_kl: Tensor


def log_ratio(logprobs_BR: Tensor, old_logprobs_BR: Tensor, mask_BR: Tensor) -> Tensor:
    """log(new / old) in fp32, clamped; 0 where the mask is off, whatever stands there (NaN * 0 would be NaN)."""
    difference_BR = (logprobs_BR.float() - old_logprobs_BR.float()).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    return difference_BR.where(mask_BR, 0.0)


def importance_weights(old_logprobs_BR: Tensor, behaviour_logprobs_BR: Tensor, mask_BR: Tensor) -> Tensor:
    """min(trainer's old policy / generator's policy, 2): rare tokens cannot blow a gradient up."""
    return log_ratio(old_logprobs_BR, behaviour_logprobs_BR, mask_BR).exp().clamp(max=MAX_IMPORTANCE_WEIGHT)


def policy_terms(
    logprobs_BR: Tensor,
    old_logprobs_BR: Tensor,
    advantages_BR: Tensor,
    weights_BR: Tensor,
    mask_BR: Tensor,
    clip_range: float,
) -> PolicyTerms:
    """The clipped surrogate, how many tokens it clipped, and the k3 estimate of KL(old, new)."""
    log_ratio_BR = log_ratio(logprobs_BR, old_logprobs_BR, mask_BR)
    ratio_BR = log_ratio_BR.exp()
    plain_BR = -advantages_BR * ratio_BR
    clipped_BR = -advantages_BR * ratio_BR.clamp(1 - clip_range, 1 + clip_range)
    loss_BR = (weights_BR * torch.maximum(plain_BR, clipped_BR)).where(mask_BR, 0.0)
    approx_kl_BR = (ratio_BR - 1 - log_ratio_BR).detach()  # 0 where the mask is off
    return PolicyTerms(loss_BR.sum(), ((clipped_BR > plain_BR) & mask_BR).sum(), approx_kl_BR.sum())


def value_loss_sum(
    values_BR: Tensor, old_values_BR: Tensor, returns_BR: Tensor, mask_BR: Tensor, clip_range: float
) -> Tensor:
    """Sum over trainable tokens of 0.5 * max(squared error, squared error of the value clipped around its old one)."""
    clipped_BR = old_values_BR + (values_BR - old_values_BR).clamp(-clip_range, clip_range)
    worst_BR = torch.maximum((values_BR - returns_BR) ** 2, (clipped_BR - returns_BR) ** 2)
    return 0.5 * worst_BR.where(mask_BR, 0.0).sum()
