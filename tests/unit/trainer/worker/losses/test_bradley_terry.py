"""Against -log(1 / (1 + exp(-(chosen - rejected)))), the loss of TRL's RewardTrainer, pair by pair in fp64."""

import math

import pytest
import torch

from services.trainer.worker.losses.bradley_terry import bradley_terry_loss

CHOSEN = [0.3, -1.2, 4.0, 0.0, 60.0]
REJECTED = [0.1, 0.5, -3.0, 0.0, -60.0]


def test_loss_is_the_mean_negative_log_likelihood() -> None:
    expected = sum(math.log(1 + math.exp(-(c - r))) for c, r in zip(CHOSEN, REJECTED)) / len(CHOSEN)
    found = bradley_terry_loss(torch.tensor(CHOSEN), torch.tensor(REJECTED), len(CHOSEN))
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_gradient_is_the_probability_of_the_wrong_order() -> None:
    chosen_N = torch.tensor(CHOSEN, requires_grad=True)
    bradley_terry_loss(chosen_N, torch.tensor(REJECTED), 1).backward()
    wrong = [1 / (1 + math.exp(c - r)) for c, r in zip(CHOSEN, REJECTED)]
    assert chosen_N.grad is not None
    assert chosen_N.grad.tolist() == pytest.approx([-p for p in wrong], abs=1e-5)


def test_hopelessly_wrong_pairs_stay_finite() -> None:
    loss = bradley_terry_loss(torch.tensor([-500.0]), torch.tensor([500.0]), 1)
    assert loss.item() == pytest.approx(1000.0)
