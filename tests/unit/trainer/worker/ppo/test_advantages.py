import math

import pytest
import torch

from services.trainer.worker.ppo.advantages import gae, masked_mean, masked_variance, whiten

LENGTHS = [6, 1, 3, 5, 2, 4, 6, 3]
B, R = len(LENGTHS), 6
MASK_BR = torch.tensor([[r < length for r in range(R)] for length in LENGTHS])
REWARDS_BR = torch.randn(B, R, generator=torch.Generator().manual_seed(0))
VALUES_BR = torch.randn(B, R, generator=torch.Generator().manual_seed(1))


def definition(gamma: float, lam: float) -> list[list[float]]:
    """A_t = sum over k of (gamma * lam)^k * delta_{t+k}, straight from the paper, for each row's own length."""
    rows = []
    for b, length in enumerate(LENGTHS):
        rewards, values = REWARDS_BR[b, :length].tolist(), [*VALUES_BR[b, :length].tolist(), 0.0]
        deltas = [rewards[t] + gamma * values[t + 1] - values[t] for t in range(length)]
        rows.append([sum((gamma * lam) ** k * deltas[t + k] for k in range(length - t)) for t in range(length)])
    return rows


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (0.99, 0.0)])
def test_advantages_are_the_papers_sum(gamma: float, lam: float) -> None:
    advantages_BR, returns_BR = gae(REWARDS_BR, VALUES_BR, MASK_BR, gamma, lam)
    for b, expected in enumerate(definition(gamma, lam)):
        assert advantages_BR[b, : LENGTHS[b]].tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(returns_BR[MASK_BR], (advantages_BR + VALUES_BR)[MASK_BR])
    assert (advantages_BR[~MASK_BR] == 0).all()
    assert (returns_BR[~MASK_BR] == 0).all()


def test_padding_never_reaches_a_real_token() -> None:
    """NaN would spread through any multiplication; also a value on padding must not count as the next value."""
    nan_BR = torch.full((B, R), math.nan)
    dirty = gae(REWARDS_BR.where(MASK_BR, nan_BR), VALUES_BR.where(MASK_BR, nan_BR), MASK_BR, 1.0, 0.95)
    for found, expected in zip(dirty, gae(REWARDS_BR, VALUES_BR, MASK_BR, 1.0, 0.95)):
        assert torch.equal(found, expected)


def test_with_lambda_one_the_return_is_the_reward_to_go() -> None:
    _, returns_BR = gae(REWARDS_BR, VALUES_BR, MASK_BR, 1.0, 1.0)
    to_go = REWARDS_BR.where(MASK_BR, 0.0).flip(1).cumsum(1).flip(1)
    assert torch.allclose(returns_BR[MASK_BR], to_go[MASK_BR], atol=1e-5)


def test_whitening_is_over_trainable_tokens_of_the_whole_batch() -> None:
    dirty_BR = (REWARDS_BR * 3 + 7).where(MASK_BR, 1e6)
    white_BR = whiten(dirty_BR, MASK_BR)
    tokens = dirty_BR[MASK_BR].double()
    expected = (tokens - tokens.mean()) / tokens.std(correction=0)
    assert torch.allclose(white_BR[MASK_BR].double(), expected, atol=1e-5)
    assert masked_mean(white_BR, MASK_BR).abs() < 1e-5
    assert masked_variance(white_BR, MASK_BR).item() == pytest.approx(1, abs=1e-4)
    assert (white_BR[~MASK_BR] == 0).all()


def test_a_handful_of_samples_is_not_whitened() -> None:
    with pytest.raises(AssertionError, match="whitening"):
        whiten(REWARDS_BR[:7], MASK_BR[:7])
