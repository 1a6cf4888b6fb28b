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


def cleared(values_BR: Tensor, mask_BR: Tensor) -> Tensor:
    """0 on padding before anything is computed: NaN * 0 is NaN, and so is the gradient of a masked result."""
    return values_BR.where(mask_BR, 0.0)


def log_ratio(logprobs_BR: Tensor, old_logprobs_BR: Tensor, mask_BR: Tensor) -> Tensor:
    """log(new / old) in fp32, clamped; 0 where the mask is off, whatever stands there."""
    difference_BR = cleared(logprobs_BR, mask_BR).float() - cleared(old_logprobs_BR, mask_BR).float()
    return difference_BR.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)


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
    advantages_BR, weights_BR = cleared(advantages_BR, mask_BR), cleared(weights_BR, mask_BR)
    plain_BR = -advantages_BR * ratio_BR
    clipped_BR = -advantages_BR * ratio_BR.clamp(1 - clip_range, 1 + clip_range)
    loss_BR = weights_BR * torch.maximum(plain_BR, clipped_BR)
    approx_kl_BR = (ratio_BR - 1 - log_ratio_BR).detach()  # 0 where the mask is off
    return PolicyTerms(loss_BR.sum(), (clipped_BR > plain_BR).sum(), approx_kl_BR.sum())


def value_loss_sum(
    values_BR: Tensor, old_values_BR: Tensor, returns_BR: Tensor, mask_BR: Tensor, clip_range: float
) -> Tensor:
    """Sum over trainable tokens of 0.5 * max(squared error, squared error of the value clipped around its old one)."""
    values_BR, old_values_BR, returns_BR = (cleared(x, mask_BR) for x in (values_BR, old_values_BR, returns_BR))
    clipped_BR = old_values_BR + (values_BR - old_values_BR).clamp(-clip_range, clip_range)
    return 0.5 * torch.maximum((values_BR - returns_BR) ** 2, (clipped_BR - returns_BR) ** 2).sum()
