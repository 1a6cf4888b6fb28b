import pytest
import torch

from services.language_model.loading import load_causal
from services.language_model.log_probs import response_log_probs
from services.trainer.recipes import DpoSpec, Optimization
from services.trainer.worker.comparisons import AnswerGroup
from services.trainer.worker.dpo import DpoObjective, answer_log_probs, reference_log_probs
from services.trainer.worker.encoding import Example
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, comparisons


def group(i: int) -> AnswerGroup[Example]:
    """Three answers to one prompt: the first beats both others, which share it."""
    prompt = (3, 5 + i % 20, 4)
    first, second, third = (Example(prompt, response) for response in ((6,) * (1 + i % 3) + (2,), (7, 2), (8, 9, 2)))
    answers: AnswerGroup[Example] = AnswerGroup()
    answers.add(first, second)
    answers.add(first, third)
    return answers


GROUPS = [group(i) for i in range(70)]


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
    reference = reference_log_probs(model, GROUPS, 0)
    for index in (0, 33, 69):
        for place, answer in enumerate(GROUPS[index].answers):
            alone = answer_log_probs(model, [answer], 0)
            assert reference[index][place].item() == pytest.approx(alone.item(), abs=1e-4)
    terms = list(DpoObjective(model, GROUPS, reference, 0.1, 0).losses(range(70), micro_batch_size=16))
    assert sum(metrics["loss"] for _, metrics in terms) == pytest.approx(0.6931, abs=1e-4)
    assert sum(metrics["margin"] for _, metrics in terms) == pytest.approx(0, abs=1e-4)
    assert len(terms) > 4


def test_an_answer_shared_by_pairs_counts_in_each_as_if_it_stood_alone() -> None:
    """One forward per distinct answer gives the loss of the plain way: every pair by itself."""
    model = small_world.policy()
    reference = [torch.linspace(-9, -5, len(g.places)) for g in GROUPS]
    (metrics,) = [m for _, m in DpoObjective(model, GROUPS[:1], reference, 0.5, 0).losses([0], 0)]
    answers = GROUPS[0].answers
    plain = []
    for pair in GROUPS[0].pairs:
        ratios = [answer_log_probs(model, [answers[i]], 0) - reference[0][i] for i in (pair.chosen, pair.rejected)]
        plain.append(-torch.nn.functional.logsigmoid(0.5 * (ratios[0] - ratios[1])).item())
    assert metrics["loss"] == pytest.approx(sum(plain) / 2, abs=1e-4)


def test_weight_and_margin_of_a_pair_are_in_the_loss() -> None:
    """The gradients of a group whose pairs weigh 3 and 1 are those of the first pair standing there three times."""
    shared, first, second = ((3, 5, 4), (6, 2)), (7, 2), (8, 9, 2)
    weighted, repeated = AnswerGroup[Example](), AnswerGroup[Example]()
    for group, times, weight in ((weighted, 1, 3.0), (repeated, 3, 1.0)):
        for _ in range(times):
            group.add(Example(*shared), Example(shared[0], first), weight, margin=0.5)
        group.add(Example(*shared), Example(shared[0], second))
    reference = [torch.tensor([-9.0, -7.0, -8.0])]
    losses = []
    for group in (weighted, repeated):
        model = small_world.policy()
        (found,) = DpoObjective(model, [group], reference, 0.5, 0).losses([0], 0)
        losses.append(found)
    assert losses[0][1] == pytest.approx(losses[1][1], abs=1e-5)
    model, answers = small_world.policy(), weighted.answers
    rewards_N = 0.5 * (answer_log_probs(model, answers, 0) - reference[0])
    plain = [
        3 * -torch.nn.functional.logsigmoid(rewards_N[0] - rewards_N[1] - 0.5),
        -torch.nn.functional.logsigmoid(rewards_N[0] - rewards_N[2]),
    ]
    assert losses[0][1]["loss"] == pytest.approx(sum(plain).item() / 4, abs=1e-5)


def test_micro_batches_change_the_memory_and_not_the_gradient() -> None:
    gradients = []
    for size in (0, 8):
        model = small_world.policy()
        reference = [torch.zeros(len(g.places)) for g in GROUPS]
        for loss, _ in DpoObjective(model, GROUPS, reference, 0.5, 0).losses(range(20), size):
            loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)
