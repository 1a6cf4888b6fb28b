from dataclasses import replace

import pytest
import torch
from transformers import LlamaForSequenceClassification

from services.language_model.log_probs import response_log_probs
from services.trainer.recipes import Optimization, PpoSpec
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ppo.batch import Batch, Targets
from services.trainer.worker.ppo.learner import Learner
from services.trainer.worker.ppo.side_by_side import SideBySide, one_after_the_other
from services.trainer.worker.ppo.targets import targets_of
from services.trainer.worker.ppo.value_model import ValueModel
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.ppo.rollouts_of import rollouts_of

SPEC = PpoSpec(
    "policy", "reward", "prompts", steps=4, inner_epochs=2, minibatches=3, optimization=Optimization(learning_rate=1e-3)
)


def learner(spec: PpoSpec = SPEC) -> Learner:
    torch.manual_seed(1)
    value = ValueModel(LlamaForSequenceClassification(small_world.config(num_labels=1)).eval())
    updates = Learner.total_updates(spec)
    return Learner(
        Optimizer(small_world.policy(), spec.optimization, updates),
        Optimizer(value, spec.optimization, updates, spec.value_learning_rate),
        spec,
        pad_id=0,
        seed=0,
    )


def measured(spec: PpoSpec = SPEC) -> tuple[Learner, Batch, Targets]:
    found = learner(spec)
    batch = found.measure(rollouts_of(small_world.policy(), temperature=spec.temperature))
    return found, batch, targets_of(batch, spec, 0.05)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_measured_log_probs_are_one_by_one_those_of_plain_transformers(temperature: float) -> None:
    spec = replace(SPEC, temperature=temperature)
    _, batch, _ = measured(spec)
    model = small_world.policy()
    for b, rollout in enumerate(rollouts_of(model)):
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.response_ids]])
        table_TV = (model(ids).logits[0].float() / temperature).log_softmax(-1)
        start = len(rollout.prompt_ids) - 1
        expected = [table_TV[start + r, token].item() for r, token in enumerate(rollout.response_ids)]
        assert batch.logprobs_BR[b, : len(expected)].tolist() == pytest.approx(expected, abs=1e-4)
        probabilities_V = table_TV[start].exp()
        entropy = -(probabilities_V * table_TV[start]).sum().item()
        assert batch.entropy_BR[b, 0].item() == pytest.approx(entropy, abs=1e-4)


def test_a_minibatch_takes_the_gradient_of_the_whole_however_it_is_cut() -> None:
    """Sums over micro-batches of different token counts, divided once: not a mean of means."""
    weights = []
    for size in (0, 2):
        spec = replace(
            SPEC, minibatches=1, inner_epochs=1, optimization=replace(SPEC.optimization, micro_batch_size=size)
        )
        found, batch, targets = measured(spec)
        metrics = found.update(batch, targets, step=0)
        weights.append((found.policy.tensors(), found.value.tensors(), metrics))
    for one, other in zip(weights[0][:2], weights[1][:2]):
        for name in one:
            if "exp_avg_sq" not in name:
                assert torch.allclose(one[name].float(), other[name].float(), atol=2e-5), name
    assert weights[0][2] == pytest.approx(weights[1][2], abs=1e-4)


def test_side_by_side_the_models_become_what_they_become_one_after_the_other() -> None:
    weights = []
    for both in (one_after_the_other, SideBySide(2)):
        found = learner()
        found.both = both
        batch = found.measure(rollouts_of(small_world.policy()))
        metrics = found.update(batch, targets_of(batch, SPEC, 0.05), step=0)
        weights.append({**found.policy.tensors(), **{f"value.{k}": v for k, v in found.value.tensors().items()}})
        weights[-1] |= {name: torch.tensor(value) for name, value in metrics.items()}
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_first_gradient_is_the_policy_gradient() -> None:
    """With ratio 1 PPO's gradient is that of -A * log-prob, averaged over all trainable tokens of the batch."""
    spec = replace(SPEC, minibatches=1, inner_epochs=1)
    found, batch, targets = measured(spec)
    model = small_world.policy()
    rollouts = rollouts_of(model)
    prompts, responses = [r.prompt_ids for r in rollouts], [r.response_ids for r in rollouts]
    logprobs_BR, mask_BR, _ = response_log_probs(model, prompts, responses, 1.0, 0)
    (-(targets.advantages_BR * logprobs_BR)[mask_BR].mean()).backward()
    found._backward(batch, targets, list(range(len(rollouts))), int(mask_BR.sum()))
    for name, parameter in model.named_parameters():
        gradient = found.policy.parameters[name].grad
        assert gradient is not None
        assert parameter.grad is not None
        assert torch.allclose(gradient, parameter.grad, atol=1e-5), name


def test_updates_raise_the_likelihood_of_what_was_better_than_expected() -> None:
    found, batch, targets = measured()
    before_BR = batch.logprobs_BR
    for step in range(3):
        metrics = found.update(batch, targets, step)
    rollouts = rollouts_of(small_world.policy())
    after = found.measure(rollouts)
    moved_BR = after.logprobs_BR - before_BR
    gain = (moved_BR * targets.advantages_BR)[batch.mask_BR].mean()
    assert gain > 0.01
    assert metrics["approx_kl"] > 0
    assert found.policy.taken == found.value.taken == 3 * 6


def test_values_move_towards_the_returns() -> None:
    spec = replace(SPEC, value_learning_rate=3e-3, steps=20)
    found, batch, targets = measured(spec)
    start = found.update(batch, targets, 0)["value_loss"]
    for step in range(1, 10):
        batch = found.measure(rollouts_of(small_world.policy()))
        end = found.update(batch, targets, step)["value_loss"]
    assert end < 0.8 * start


def test_the_very_first_ratio_must_be_one() -> None:
    found, batch, targets = measured()
    shifted = replace(batch, logprobs_BR=batch.logprobs_BR + 0.01)
    with pytest.raises(AssertionError, match="ratio of the very first update"):
        found.update(shifted, targets, step=0)


def test_incomplete_experience_never_reaches_the_update() -> None:
    rollouts = rollouts_of(small_world.policy())
    with pytest.raises(AssertionError):
        learner().measure([replace(rollouts[0], score=None), *rollouts[1:]])
    with pytest.raises(AssertionError):
        learner().measure([replace(rollouts[0], log_probs=[*rollouts[0].log_probs, 0.0]), *rollouts[1:]])


def test_two_updates_from_one_state_are_bit_equal() -> None:
    results = []
    for _ in range(2):
        found, batch, targets = measured()
        found.update(batch, targets, 0)
        results.append(found.policy.tensors())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


@pytest.mark.parametrize(("minibatches", "updates"), [(5, 5), (7, 7), (50, 12)])
def test_every_minibatch_is_an_update_whatever_the_number_of_samples(minibatches: int, updates: int) -> None:
    """12 samples in 5 or 7 parts; 50 parts of 12 samples are 12."""
    found, batch, targets = measured(replace(SPEC, minibatches=minibatches, inner_epochs=1))
    found.update(batch, targets, step=0)
    assert found.policy.taken == found.value.taken == updates
