import pytest
import torch

from services.data.records import Demonstration, Message
from services.language_model.engine import Engine
from services.language_model.generation import Request
from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.sampling import SamplingParams
from services.runtime.errors import InvalidInput
from services.trainer.recipes import Optimization, SftSpec
from services.trainer.worker.encoding import Example
from services.trainer.worker.sft import SftObjective
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, demonstrations, questions


def test_the_model_learns_to_answer_and_to_end(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    words = [(Message("user", word),) for word in small_world.WORDS]
    data = world.put("demos", [Demonstration(prompt, prompt[0].content) for prompt in words * 8])
    outcome = world.train(SftSpec(str(base), data, Optimization(learning_rate=1e-2, epochs=12)))
    assert outcome.metrics["loss"] < 0.5
    folder = world.weights(outcome)
    engine = Engine(load_causal(folder), load_tokenizer(folder))
    greedy = SamplingParams(max_new_tokens=8, temperature=0)
    prompts = [small_world.tokenizer()(f"<user> {word} <assistant>").input_ids for word in small_world.WORDS]
    answers = engine.generate([Request(prompt, greedy) for prompt in prompts])
    right = sum(answer.text.split()[:1] == [word] for answer, word in zip(answers, small_world.WORDS))
    assert right >= 20
    assert sum(answer.finish_reason == "stop" for answer in answers) >= 20


def test_the_loss_covers_the_response_and_its_end_alone() -> None:
    """Gradients of the unembedding reach exactly the positions whose next token is a response token."""
    model = small_world.policy()
    example = Example([3, 5, 6, 4], [7, 8, 2])
    (loss, metrics), *_ = SftObjective(model, [example], pad_id=0).losses([0], micro_batch_size=0)
    logits_TV = model(torch.tensor([[3, 5, 6, 4, 7, 8, 2]])).logits[0]
    logprobs_TV = logits_TV.log_softmax(-1)
    expected = -(logprobs_TV[3, 7] + logprobs_TV[4, 8] + logprobs_TV[5, 2]) / 3
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert metrics["tokens"] == 3


def test_micro_batches_change_the_memory_and_not_the_gradient() -> None:
    examples = [Example([3, 5 + i % 3, 4], [*range(6, 7 + i), 2]) for i in range(6)]
    gradients = []
    for size in (0, 2):
        model = small_world.policy()
        for loss, _ in SftObjective(model, examples, 0).losses(range(6), size):
            loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
    assert gradients[0].norm() > 0.1


def test_over_long_rows_are_counted_and_left_out(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    rows = demonstrations(20)
    long = [Demonstration(prompt, "w1 " * 60) for prompt in questions(3)]
    outcome = world.train(SftSpec(str(base), world.put("demos", [*rows, *long]), Optimization(max_length=20)))
    assert outcome.metrics["examples"] == 20
    assert outcome.metrics["left_out_long"] == 3


def test_a_dataset_of_long_rows_alone_is_refused(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    with pytest.raises(InvalidInput, match=r"sft\.dataset: got 8 rows that are all too long.*at most 4 tokens"):
        world.train(SftSpec(str(base), world.put("demos", demonstrations(8)), Optimization(max_length=4)))


def test_the_result_says_where_it_comes_from(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    outcome = world.train(SftSpec(str(base), world.put("demos", demonstrations(16))), name="mine")
    version = world.models.version("mine", outcome.version)
    assert version.version.startswith("1.3-")
    assert version.digest == outcome.digest != base.digest
    assert version.metadata["run"] == "run-1"
    assert version.metadata["tokenizer_digest"]
