import copy

import pytest
import torch
from torch import nn

from services.trainer.recipes import Optimization
from services.trainer.worker.optimizer import Optimizer, learning_rate_factor

SETTINGS = Optimization(learning_rate=0.1, warmup_steps=2, max_grad_norm=1.0, weight_decay=0.1)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def step(optimizer: Optimizer, seed: int) -> float:
    inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(seed))
    (optimizer.model(inputs) ** 2).mean().backward()
    return optimizer.step()


def test_the_rate_warms_up_then_falls_in_a_line_to_zero() -> None:
    factors = [learning_rate_factor(taken, total_steps=10, warmup_steps=2) for taken in range(11)]
    assert factors == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0])
    assert learning_rate_factor(0, total_steps=4, warmup_steps=0) == 1.0


def test_a_short_run_warms_up_for_a_fifth_of_its_steps_at_most() -> None:
    optimizer = Optimizer(nn.Linear(2, 1), Optimization(learning_rate=1.0, warmup_steps=100), total_steps=10)
    assert optimizer.learning_rate == 0.5
    optimizer.taken = 2
    assert optimizer.learning_rate == 1.0


def test_one_step_is_adamw_with_epsilon_1e_5() -> None:
    """First step of AdamW: moments cancel to g / (|g| + eps), and decay acts on matrices only."""
    optimizer = Optimizer(nn.Linear(2, 1), SETTINGS, total_steps=10)
    weight, bias = optimizer.model.weight, optimizer.model.bias
    before_weight, before_bias = weight.detach().clone(), bias.detach().clone()
    weight.grad, bias.grad = torch.tensor([[1e-5, 0.0]]), torch.tensor([2e-5])
    optimizer.step()
    rate = 0.05  # half of the peak: first of two warm-up steps
    moved = torch.tensor([[1e-5 / 2e-5, 0.0]])
    assert torch.allclose(weight, before_weight * (1 - rate * 0.1) - rate * moved, atol=1e-6)
    assert torch.allclose(bias, before_bias - rate * (2e-5 / 3e-5), atol=1e-6)


def test_gradients_are_clipped_and_the_norm_before_it_is_returned() -> None:
    optimizer = Optimizer(nn.Linear(2, 1, bias=False), Optimization(max_grad_norm=1.0), total_steps=1)
    optimizer.model.weight.grad = torch.tensor([[30.0, 40.0]])
    assert optimizer.step() == pytest.approx(50.0)
    (moments,) = optimizer.adamw.state.values()
    assert moments["exp_avg"].tolist()[0] == pytest.approx([0.06, 0.08], rel=1e-4)  # a tenth of the clipped one


def test_a_gradient_that_is_not_finite_fails_rather_than_spreads() -> None:
    optimizer = Optimizer(nn.Linear(2, 1, bias=False), Optimization(), total_steps=1)
    before = optimizer.model.weight.detach().clone()
    optimizer.model.weight.grad = torch.tensor([[float("nan"), 0.0]])
    with pytest.raises(RuntimeError, match="non-finite"):
        optimizer.step()
    assert torch.equal(optimizer.model.weight, before)


def test_a_restored_optimizer_goes_on_bit_by_bit() -> None:
    whole = Optimizer(model(), SETTINGS, total_steps=6)
    for seed in range(3):
        step(whole, seed)
    saved = {name: tensor.clone() for name, tensor in whole.tensors().items()}
    restored = Optimizer(model(), SETTINGS, total_steps=6)
    restored.load(copy.deepcopy(saved))
    for seed in range(3, 6):
        assert step(whole, seed) == step(restored, seed)
    expected, found = whole.tensors(), restored.tensors()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_tied_weights_are_held_once() -> None:
    tied = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    tied[1].weight = tied[0].weight
    assert set(Optimizer(tied, SETTINGS, 1).tensors()) == {"model.0.weight", "taken"}
