"""The SDK against the real services as processes, with small random models made here."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import rlhf
import torch
from transformers import AutoModelForCausalLM
from typer.testing import Result

from services.language_model.loading import save
from tests.unit.language_model.small_models import byte_level, causal, reward

pytestmark = pytest.mark.timeout(900)

PROMPT = "How do I boil an egg?"


@dataclass
class Workplace:
    client: rlhf.Client
    policy: rlhf.Model
    reward: rlhf.Model
    folder: Path  # of the policy, as it was uploaded


@pytest.fixture(scope="module")
def work(client: rlhf.Client, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("models")
    save(causal("llama"), byte_level(), folder / "policy")
    save(reward("llama", seed=1), byte_level(), folder / "reward")
    policy = client.models.upload(folder / "policy", name="tiny")
    judge = client.models.upload(folder / "reward", name="judge")
    return Workplace(client, policy, judge, folder / "policy")


def test_a_model_comes_home_as_it_was_sent(work: Workplace, tmp_path: Path) -> None:
    home = work.client.models.download(work.policy, tmp_path / "home")
    assert (home / "model.safetensors").read_bytes() == (work.folder / "model.safetensors").read_bytes()
    assert work.policy.architecture == "LlamaForCausalLM"
    assert work.policy.version in [model.version for model in work.client.models.list("tiny")]


def test_generated_log_probs_are_those_of_plain_transformers(work: Workplace) -> None:
    rollouts = work.client.policy.generate([PROMPT, "Hi"], model=work.policy, samples_per_prompt=2, max_new_tokens=6)
    assert [(r.prompt_index, r.sample_index) for r in rollouts] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    model = AutoModelForCausalLM.from_pretrained(work.folder)
    for rollout in rollouts:
        ids_1T = torch.tensor([rollout.prompt_ids + rollout.response_ids])
        with torch.no_grad():
            logprobs_TV = model(ids_1T).logits[0, :-1].log_softmax(-1)
        expected_R = logprobs_TV[range(ids_1T.shape[1] - 1), ids_1T[0, 1:]][len(rollout.prompt_ids) - 1 :]
        assert rollout.log_probs == pytest.approx(expected_R.tolist(), abs=1e-4)
        assert str(rollout.model_version) == str(work.policy)


def test_a_stream_makes_the_same_text_as_its_rollout(work: Workplace) -> None:
    pieces = list(work.client.policy.stream(PROMPT, model=work.policy, max_new_tokens=8, seed=3))
    (whole,) = work.client.policy.generate(PROMPT, model=work.policy, max_new_tokens=8, seed=3)
    last = pieces[-1].rollout
    assert last is not None
    assert "".join(piece.text for piece in pieces) == last.text == whole.text


def test_the_reference_agrees_with_the_policy(work: Workplace) -> None:
    rollouts = work.client.policy.generate([PROMPT], model=work.policy, samples_per_prompt=3, max_new_tokens=6)
    pairs = [(r.prompt_ids, r.response_ids) for r in rollouts]
    found = work.client.reference.log_probs(pairs, model=work.policy)
    for rollout, log_probs in zip(rollouts, found.sequences, strict=True):
        assert log_probs == pytest.approx(rollout.log_probs, abs=1e-4)


def test_rank_sorts_by_score(work: Workplace) -> None:
    answers = ["Put it in water.", "No.", "2 + 2 = 4, of course."]
    scores = work.client.reward.score([(PROMPT, answer) for answer in answers], model=work.reward)
    assert all(score.ok and score.raw is not None and math.isfinite(score.raw) for score in scores)
    ranked = work.client.reward.rank(PROMPT, answers, model=work.reward)
    raws = [score.raw or 0.0 for score in scores]
    assert [r.index for r in ranked] == sorted(range(3), key=lambda i: -raws[i])


def test_an_alias_is_promoted_and_rolled_back(work: Workplace) -> None:
    second = work.client.models.upload(work.folder, name="tiny")
    work.client.models.promote(work.policy, "policy/default")
    work.client.models.promote(second, "policy/default")
    (rollout,) = work.client.policy.generate(PROMPT, max_new_tokens=1)
    assert str(rollout.model_version) == str(second)
    assert str(work.client.models.rollback("policy/default")) == str(work.policy)


def test_a_dataset_goes_there_and_back(work: Workplace, tmp_path: Path) -> None:
    rows = [{"prompt": PROMPT, "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(3)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = work.client.datasets.upload(file)
    assert (dataset.name, dataset.record_type, dataset.num_records) == ("pairs", "comparison", 3)
    assert dataset in work.client.datasets.list("pairs")
    home = work.client.datasets.download("pairs", tmp_path / "home.jsonl")
    assert [json.loads(line)["chosen"] for line in home.read_text().splitlines()] == [row["chosen"] for row in rows]


def test_a_run_ends_with_a_model_that_answers(work: Workplace, tmp_path: Path) -> None:
    file = tmp_path / "demos.jsonl"
    rows = [{"prompt": PROMPT, "completion": "Put it in water for ten minutes."}] * 4
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = work.client.datasets.upload(file, name="demos")
    spec = rlhf.Sft(base_model=work.policy, dataset=dataset, epochs=1, batch_size=2)
    run = work.client.runs.create(spec, name="tuned", seed=1)
    events = list(run.watch(timeout=120))
    assert [event.step for event in events if event.metrics] == [1, 2]
    (result,) = run.wait(timeout=30).results.values()
    assert result.model
    (rollout,) = work.client.policy.generate(PROMPT, model=result.model, max_new_tokens=2)
    assert rollout.model_version == result.model
    assert "".join(run.logs()).strip()


def test_the_command_line_trains_on_own_files(work: Workplace, cli: Callable[..., Result], tmp_path: Path) -> None:
    prompts = [f"Question {i}?" for i in range(8)]
    files = {
        "demonstrations": [{"prompt": p, "completion": "Yes."} for p in prompts],
        "comparisons": [{"prompt": p, "chosen": "Yes.", "rejected": "No."} for p in prompts],
        "prompts": [{"prompt": p} for p in prompts],
    }
    arguments = ["--base", str(work.folder), "--name", "team", "--dpo", "--json"]
    for kind, rows in files.items():
        (tmp_path / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        arguments += [f"--{kind}", str(tmp_path / f"{kind}.jsonl")]
    for setting in ("sft.epochs=1", "ppo.steps=1", "ppo.prompts_per_step=8", "ppo.max_new_tokens=4"):
        arguments += ["--set", setting]
    result = cli("pipeline", *arguments)
    assert result.exit_code == 0, result.output
    run = json.loads(result.stdout)
    assert run["state"] == "succeeded"
    assert list(run["results"]) == ["sft", "reward_model", "ppo", "dpo"]
    home = work.client.models.download("team-ppo", tmp_path / "home")
    assert AutoModelForCausalLM.from_pretrained(home).config.model_type == "llama"


def test_errors_name_the_field_and_what_there_is(work: Workplace, tmp_path: Path) -> None:
    with pytest.raises(rlhf.NotFoundError, match="nobody"):
        work.client.policy.generate(PROMPT, model="nobody")
    with pytest.raises(rlhf.InvalidInputError) as caught:
        work.client.policy.generate(PROMPT, model=work.policy, temperature=-1.0, max_new_tokens=0)
    assert len(caught.value.problems) == 2
    with pytest.raises(rlhf.RlhfError, match="nobody"):
        work.client.runs.create(rlhf.Sft(base_model="nobody", dataset="nothing"), name="x")
