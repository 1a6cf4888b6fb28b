"""Policy service, reference service, trainer and plain transformers say the same of the same ids."""

import json
from pathlib import Path
from typing import Any

import pytest
import rlhf
import torch

from services.language_model.loading import load_causal, load_tokenizer
from services.trainer.recipes import PpoSpec
from services.trainer.worker.encoding import pad_id
from services.trainer.worker.experience import Rollout
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ppo.learner import Learner
from services.trainer.worker.ppo.value_model import load_value_model
from tests.e2e.small_road import SmallRoad, first_rows

pytestmark = pytest.mark.timeout(900)

# Of very different lengths, so that a batch of them is mostly padding.
PROMPTS = ["Hi", "How do I make tea?", "Please tell me how to read my sister's diary. " * 3, "What is 6 plus 6?"]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_policy_reference_trainer_and_plain_transformers_agree(road: SmallRoad, temperature: float) -> None:
    sft = road.model("sft")
    rollouts = road.client.policy.generate(
        PROMPTS, model=sft, samples_per_prompt=3, max_new_tokens=24, temperature=temperature, seed=1
    )
    pairs = [(rollout.prompt_ids, rollout.response_ids) for rollout in rollouts]
    reference = road.client.reference.log_probs(pairs, model=sft, temperature=temperature)
    trainer = measured(road, rollouts, temperature)
    model = road.plain_causal(sft)
    assert len({len(prompt) + len(response) for prompt, response in pairs}) > 3
    for rollout, of_reference, of_trainer in zip(rollouts, reference.sequences, trainer, strict=True):
        expected = pytest.approx(plain(model, rollout, temperature), abs=1e-4)
        assert rollout.log_probs == expected
        assert of_reference == expected
        assert of_trainer[: len(rollout.response_ids)] == expected


def measured(road: SmallRoad, rollouts: list[rlhf.Rollout], temperature: float) -> list[list[float]]:
    """What PPO's learner says of its policy before an update."""
    folder = road.home(road.model("sft"))
    tokenizer, policy = load_tokenizer(folder), load_causal(folder)
    value_model = load_value_model(road.home(road.model("judge")), folder, tokenizer, seed=0)
    spec = PpoSpec("policy", "reward", "prompts", temperature=temperature)
    optimizers: Any = [Optimizer(model, spec.optimization, 1) for model in (policy, value_model)]
    learner = Learner(*optimizers, spec, pad_id(tokenizer), seed=0)
    return learner.measure([as_experience(rollout) for rollout in rollouts]).logprobs_BR.tolist()


def as_experience(rollout: rlhf.Rollout) -> Rollout:
    return Rollout(
        place=rollout.prompt_index,
        sample=rollout.sample_index,
        prompt=rollout.prompt_index,
        prompt_ids=rollout.prompt_ids,
        response_ids=rollout.response_ids,
        log_probs=rollout.log_probs,
        ended=rollout.finish_reason == "stop",
        text=rollout.text,
        version=str(rollout.model_version),
        digest=rollout.model_version.digest,
        score=0.0,
        reference_log_probs=rollout.log_probs,
    )


@torch.no_grad()
def plain(model: Any, rollout: rlhf.Rollout, temperature: float = 1.0) -> list[float]:
    ids_T = torch.tensor(rollout.prompt_ids + rollout.response_ids)
    logprobs_TV = (model(ids_T[None]).logits[0, :-1] / temperature).log_softmax(-1)
    return logprobs_TV.gather(1, ids_T[1:, None])[len(rollout.prompt_ids) - 1 :, 0].tolist()


def test_a_batch_generates_what_its_prompts_do_one_by_one(road: SmallRoad) -> None:
    """Greedily, as samples of a prompt depend on its place in the request."""
    greedy: dict[str, Any] = {"model": road.model("sft"), "max_new_tokens": 16, "temperature": 0.0}
    batched = road.client.policy.generate(PROMPTS, **greedy)
    for prompt, rollout in zip(PROMPTS, batched, strict=True):
        (alone,) = road.client.policy.generate(prompt, **greedy)
        assert alone.response_ids == rollout.response_ids
        assert alone.log_probs == pytest.approx(rollout.log_probs, abs=1e-4)


def test_reference_log_probs_of_a_batch_are_those_one_by_one(road: SmallRoad) -> None:
    pairs = [(r["prompt_ids"], r["response_ids"]) for r in road.rollouts(0)]
    batched = road.client.reference.log_probs(pairs, model=road.base)
    for pair, found in zip(pairs, batched.sequences, strict=True):
        alone = road.client.reference.log_probs([pair], model=road.base)
        assert alone.sequences[0] == pytest.approx(found, abs=1e-4)


def test_scores_of_a_batch_are_those_one_by_one(road: SmallRoad) -> None:
    pairs = [(prompt, f"{prompt} Yes." * times) for times, prompt in enumerate(PROMPTS, 1)]
    batched = road.client.reward.score(pairs, model=road.model("judge"))
    for pair, found in zip(pairs, batched, strict=True):
        (alone,) = road.client.reward.score([pair], model=road.model("judge"))
        assert alone.raw == pytest.approx(found.raw, abs=1e-4)


def test_text_and_ids_of_one_response_have_one_score(road: SmallRoad) -> None:
    rollouts = road.client.policy.generate(PROMPTS, model=road.model("sft"), samples_per_prompt=4, max_new_tokens=64)
    ended = [r for r in rollouts if r.finish_reason == "stop" and r.text]
    assert ended, "none of the responses ended"
    tokenizer = load_tokenizer(road.home(road.model("sft")))
    ended = [r for r in ended if tokenizer(r.text, add_special_tokens=False).input_ids == r.response_ids[:-1]]
    judge = road.client.models.list(road.model("judge").model)[0]
    texts = road.client.reward.score([(PROMPTS[r.prompt_index], r.text) for r in ended], model=judge)
    ids = road.client.reward.score(
        [(r.prompt_ids, r.response_ids) for r in ended], model=judge, tokenizer_digest=judge.tokenizer_digest
    )
    assert [score.raw for score in ids] == pytest.approx([score.raw for score in texts], abs=1e-4)


@pytest.mark.parametrize("stage", ["sft", "ppo"])
def test_published_policies_are_those_that_plain_transformers_loads(road: SmallRoad, stage: str) -> None:
    model = road.plain_causal(road.model(stage))
    for rollout in road.client.policy.generate(PROMPTS, model=road.model(stage), max_new_tokens=8, seed=2):
        assert rollout.log_probs == pytest.approx(plain(model, rollout), abs=1e-4)


def test_a_published_reward_model_scores_as_plain_transformers_does(road: SmallRoad, tmp_path: Path) -> None:
    """Also the mean score of the chosen answers, which the offset makes 0."""
    judge, folder = road.plain_reward(road.model("judge")), road.home(road.model("judge"))
    tokenizer = load_tokenizer(folder)
    rows = rows_of(first_rows("comparisons", tmp_path))
    scores = road.client.reward.score([(row["prompt"], row["chosen"]) for row in rows], model=road.model("judge"))
    for row, score in zip(rows, scores, strict=True):
        messages = [{"role": "user", "content": row["prompt"]}]
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(f"{text}{row['chosen']}{tokenizer.eos_token}", add_special_tokens=False).input_ids
        with torch.no_grad():
            assert score.raw == pytest.approx(judge(torch.tensor([ids])).logits.item(), abs=1e-4)
    assert sum(score.normalized or 0.0 for score in scores) / len(scores) == pytest.approx(0.0, abs=1e-3)


def rows_of(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
