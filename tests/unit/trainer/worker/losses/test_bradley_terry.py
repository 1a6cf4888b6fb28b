"""Against the loss of TRL's RewardTrainer, -log(sigmoid(chosen - rejected - margin)), pair by pair in fp64."""

import math

import pytest
import torch
from torch import Tensor

from services.trainer.worker.losses.bradley_terry import bradley_terry_loss

CHOSEN = [0.3, -1.2, 4.0, 0.0, 60.0]
REJECTED = [0.1, 0.5, -3.0, 0.0, -60.0]
ONES, NO_MARGINS = [1.0] * 5, [0.0] * 5


def loss(chosen_N: Tensor, weights: list[float], margins: list[float], total: float) -> Tensor:
    return bradley_terry_loss(chosen_N, torch.tensor(REJECTED), torch.tensor(weights), torch.tensor(margins), total)


def test_loss_is_the_mean_negative_log_likelihood() -> None:
    expected = sum(math.log(1 + math.exp(-(c - r))) for c, r in zip(CHOSEN, REJECTED)) / len(CHOSEN)
    assert loss(torch.tensor(CHOSEN), ONES, NO_MARGINS, 5).item() == pytest.approx(expected, abs=1e-5)


def test_a_margin_is_what_the_chosen_answer_has_to_lead_by() -> None:
    margins = [1.0, 0.0, 3.0, 0.5, 2.0]
    expected = sum(math.log(1 + math.exp(-(c - r - m))) for c, r, m in zip(CHOSEN, REJECTED, margins)) / len(CHOSEN)
    assert loss(torch.tensor(CHOSEN), ONES, margins, 5).item() == pytest.approx(expected, abs=1e-5)


def test_weights_make_a_weighted_mean() -> None:
    """A weight of 2 is the pair standing there twice; equal weights are no weights."""
    weights = [2.0, 1.0, 1.0, 1.0, 3.0]
    each = [math.log(1 + math.exp(-(c - r))) for c, r in zip(CHOSEN, REJECTED)]
    repeated = [each[0], *each, each[4], each[4]]
    found = loss(torch.tensor(CHOSEN), weights, NO_MARGINS, sum(weights)).item()
    assert found == pytest.approx(sum(repeated) / len(repeated), abs=1e-5)
    plain, equal = (loss(torch.tensor(CHOSEN), [w] * 5, NO_MARGINS, 5 * w).item() for w in (1.0, 4.0))
    assert equal == plain


def test_gradient_is_the_probability_of_the_wrong_order() -> None:
    chosen_N = torch.tensor(CHOSEN, requires_grad=True)
    loss(chosen_N, ONES, NO_MARGINS, 1).backward()
    wrong = [1 / (1 + math.exp(c - r)) for c, r in zip(CHOSEN, REJECTED)]
    assert chosen_N.grad is not None
    assert chosen_N.grad.tolist() == pytest.approx([-p for p in wrong], abs=1e-5)


def test_hopelessly_wrong_pairs_stay_finite() -> None:
    far = bradley_terry_loss(*(torch.tensor([value]) for value in (-500.0, 500.0, 1.0, 0.0)), 1)
    assert far.item() == pytest.approx(1000.0)
