"""Against the formulas of Huang et al. 2024 (N+), written out token by token in fp64."""

import math

import pytest
import torch

from services.trainer.worker.losses.ppo import importance_weights, log_ratio, policy_terms, value_loss_sum

B, R, CLIP = 5, 7, 0.2


def some(seed: int, spread: float = 1.0) -> torch.Tensor:
    return torch.randn(B, R, generator=torch.Generator().manual_seed(seed)) * spread


LENGTHS = [7, 1, 4, 6, 2]
MASK_BR = torch.tensor([[r < length for r in range(R)] for length in LENGTHS])
TOKENS = [(b, r) for b, length in enumerate(LENGTHS) for r in range(length)]


def test_policy_loss_is_the_clipped_surrogate() -> None:
    new_BR, old_BR, advantages_BR, weights_BR = some(0) - 2, some(0) - 2 + some(1, 0.3), some(2), some(3).abs()
    total = clipped = kl = 0.0
    for b, r in TOKENS:
        ratio = math.exp(new_BR[b, r].item() - old_BR[b, r].item())
        bounded = min(max(ratio, 1 - CLIP), 1 + CLIP)
        advantage = advantages_BR[b, r].item()
        total += weights_BR[b, r].item() * max(-advantage * ratio, -advantage * bounded)
        clipped += -advantage * bounded > -advantage * ratio
        kl += ratio - 1 - math.log(ratio)
    found = policy_terms(new_BR, old_BR, advantages_BR, weights_BR, MASK_BR, CLIP)
    assert found.loss.item() == pytest.approx(total, rel=1e-5, abs=1e-5)
    assert found.clipped.item() == clipped > 0
    assert found.approx_kl.item() == pytest.approx(kl, rel=1e-5, abs=1e-5)


def test_clipped_tokens_have_no_gradient() -> None:
    """A ratio above 1 + clip with a positive advantage has nothing more to gain; the others pull as they should."""
    new_BR = torch.tensor([[0.5, 0.5, -0.5, -0.5, 0.0]], requires_grad=True)
    advantages_BR = torch.tensor([[1.0, -1.0, 1.0, -1.0, 1.0]])
    ones_BR = torch.ones_like(advantages_BR)
    policy_terms(new_BR, torch.zeros(1, 5), advantages_BR, ones_BR, ones_BR.bool(), CLIP).loss.backward()
    assert new_BR.grad is not None
    expected = [0.0, math.exp(0.5), -math.exp(-0.5), 0.0, -1.0]
    assert new_BR.grad.tolist()[0] == pytest.approx(expected, abs=1e-6)


def test_value_loss_takes_the_worse_of_plain_and_clipped() -> None:
    new_BR, old_BR, returns_BR = some(4), some(4) + some(5, 0.4), some(6)
    total = 0.0
    for b, r in TOKENS:
        new, old, target = new_BR[b, r].item(), old_BR[b, r].item(), returns_BR[b, r].item()
        bounded = old + min(max(new - old, -CLIP), CLIP)
        total += 0.5 * max((new - target) ** 2, (bounded - target) ** 2)
    found = value_loss_sum(new_BR, old_BR, returns_BR, MASK_BR, CLIP)
    assert found.item() == pytest.approx(total, rel=1e-5)


def test_padding_may_hold_anything_and_gets_no_gradient() -> None:
    nan_BR = torch.full((B, R), math.nan)
    new_BR = (some(0) - 2).where(MASK_BR, nan_BR).requires_grad_()
    old_BR, advantages_BR, weights_BR = (x.where(MASK_BR, nan_BR) for x in (some(1) - 2, some(2), torch.ones(B, R)))
    terms = policy_terms(new_BR, old_BR, advantages_BR, weights_BR, MASK_BR, CLIP)
    value = value_loss_sum(new_BR, old_BR, advantages_BR, MASK_BR, CLIP)
    (terms.loss + value).backward()
    assert torch.isfinite(torch.stack([terms.loss, terms.approx_kl, value])).all()
    assert new_BR.grad is not None
    assert new_BR.grad[MASK_BR].isfinite().all()
    assert (new_BR.grad[~MASK_BR] == 0).all()


def test_log_ratios_are_clamped_in_fp32() -> None:
    found = log_ratio(torch.tensor([[-1.0, -800.0]]).double(), torch.tensor([[-900.0, -1.0]]).double(), MASK_BR[:1, :2])
    assert found.tolist() == [[20.0, -20.0]]
    assert found.dtype == torch.float32


def test_importance_weights_are_truncated_at_two() -> None:
    old_BR, behaviour_BR = torch.tensor([[0.0, 1.0, -1.0, 5.0]]), torch.tensor([[0.0, 0.5, 0.0, math.nan]])
    mask_BR = torch.tensor([[True, True, True, False]])
    found = importance_weights(old_BR, behaviour_BR, mask_BR)
    assert found.tolist()[0] == pytest.approx([1.0, math.exp(0.5), math.exp(-1), 1.0])
    assert importance_weights(old_BR + 3, behaviour_BR, mask_BR)[mask_BR].max() == 2.0
