import pytest
import torch

from services.language_model.loading import load_causal
from services.language_model.log_probs import response_log_probs
from services.trainer.recipes import DpoSpec, Optimization
from services.trainer.worker.dpo import Pair, batch_losses, pair_log_probs, reference_log_probs
from services.trainer.worker.encoding import Example
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, comparisons


def pair(i: int) -> Pair:
    prompt = [3, 5 + i % 20, 4]
    return Pair(Example(prompt, [6] * (1 + i % 3) + [2]), Example(prompt, [7, 2]))


PAIRS = [pair(i) for i in range(70)]


def test_the_chosen_answer_becomes_likelier_than_the_rejected_one(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    data = world.put("pairs", comparisons(128))
    outcome = world.train(DpoSpec(str(base), data, optimization=Optimization(learning_rate=3e-3, epochs=2)))
    assert outcome.metrics["accuracy"] > 0.9
    assert outcome.metrics["margin"] > 0.1
    model = load_causal(world.weights(outcome))
    prompts, responses = [[3, 9, 4]] * 2, [[10, 5, 2], [10, 6, 2]]
    chosen, rejected = response_log_probs(model, prompts, responses, 1.0, 0).logprobs_BR.sum(dim=1)
    assert chosen > rejected + 1


def test_the_reference_is_the_policy_before_training() -> None:
    model = small_world.policy()
    reference = reference_log_probs(model, PAIRS, 0)
    for index in (0, 33, 69):
        alone = pair_log_probs(model, [PAIRS[index]], 0)
        assert reference[index].tolist() == pytest.approx(alone.tolist(), abs=1e-4)
    terms = list(batch_losses(model, PAIRS, reference, 0.1, 0, micro_batch_size=16)(list(range(70))))
    assert sum(metrics["loss"] for _, metrics in terms) == pytest.approx(0.6931, abs=1e-4)
    assert sum(metrics["margin"] for _, metrics in terms) == pytest.approx(0, abs=1e-4)
    assert len(terms) > 4


def test_micro_batches_change_the_memory_and_not_the_gradient() -> None:
    gradients = []
    for size in (0, 8):
        model = small_world.policy()
        reference = torch.zeros(len(PAIRS), 2)
        for loss, _ in batch_losses(model, PAIRS, reference, 0.5, 0, size)(list(range(20))):
            loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)
