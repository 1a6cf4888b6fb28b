"""Generalised advantage estimation over response tokens (Schulman et al. 2016) and masked whitening."""

import torch
from torch import Tensor

MIN_WHITENING_SAMPLES = 8


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return values.where(mask, 0.0).sum() / mask.sum()


def masked_variance(values: Tensor, mask: Tensor) -> Tensor:
    """Biased, over the entries where the mask is on."""
    return masked_mean((values - masked_mean(values, mask)) ** 2, mask)


def gae(rewards_BR: Tensor, values_BR: Tensor, mask_BR: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Advantages and returns, both BR and 0 on padding; the value after a row's last token is 0."""
    rewards_BR, values_BR = rewards_BR.where(mask_BR, 0.0), values_BR.where(mask_BR, 0.0)
    next_values_BR = torch.cat([values_BR[:, 1:], torch.zeros_like(values_BR[:, :1])], dim=1)
    deltas_BR = rewards_BR + gamma * next_values_BR - values_BR
    advantage_B = torch.zeros_like(deltas_BR[:, 0])
    columns = []
    for delta_B in reversed(deltas_BR.unbind(dim=1)):
        # Right padding has delta 0, so nothing flows into the last token of a row.
        advantage_B = delta_B + gamma * lam * advantage_B
        columns.append(advantage_B)
    advantages_BR = torch.stack(columns[::-1], dim=1).where(mask_BR, 0.0)
    return advantages_BR, (advantages_BR + values_BR).where(mask_BR, 0.0)


def whiten(values_BR: Tensor, mask_BR: Tensor) -> Tensor:
    """Mean 0 and variance 1 over all trainable tokens of the global batch; 0 on padding."""
    assert values_BR.shape[0] >= MIN_WHITENING_SAMPLES, "whitening a handful of samples amplifies noise"
    mean, variance = masked_mean(values_BR, mask_BR), masked_variance(values_BR, mask_BR)
    return ((values_BR - mean) * torch.rsqrt(variance + 1e-8)).where(mask_BR, 0.0)
