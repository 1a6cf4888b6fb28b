"""What teams bring: their own base models of every family, their own files in every format, an encoder as a judge."""

import csv
import gzip
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import rlhf
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from services.language_model.loading import save
from services.storage.object_store import ObjectStore
from tests.e2e.small_road import ledger_of
from tests.unit.language_model.small_models import adds_bos, bert, byte_level, causal, word_piece

pytestmark = pytest.mark.timeout(900)

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
)
QUESTIONS = [f"How do I boil {count} eggs?" for count in range(2, 18)]
GOOD, BAD = "Put them in water.", "No."

Rows = list[dict[str, Any]]
Write = Callable[[Path, Rows], None]


def said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def transcript(question: str, answer: str) -> str:
    return f"\n\nHuman: {question}\n\nAssistant: {answer}"


STRINGS: Rows = [{"prompt": question, "chosen": GOOD, "rejected": BAD} for question in QUESTIONS]
MESSAGES: Rows = [
    {"prompt": said("user", q), "chosen": said("assistant", GOOD), "rejected": said("assistant", BAD)}
    for q in QUESTIONS
]
HH: Rows = [{"chosen": transcript(q, GOOD), "rejected": transcript(q, BAD)} for q in QUESTIONS]
ANSWERED: Rows = [{"prompt": question, "completion": GOOD} for question in QUESTIONS]
CHATS: Rows = [{"messages": said("user", q) + said("assistant", GOOD)} for q in QUESTIONS]
ASKED: Rows = [{"prompt": question} for question in QUESTIONS]


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_gzip(path: Path, rows: Rows) -> None:
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Rows) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


WRITERS: dict[str, Write] = {
    ".jsonl": write_jsonl,
    ".jsonl.gz": write_gzip,
    ".csv": write_csv,
    ".parquet": write_parquet,
}
# (rows, ending, record type, detected format)
FILES = [
    (ANSWERED, ".jsonl", "demonstration", "prompt-completion (strings)"),
    (ANSWERED, ".csv", "demonstration", "prompt-completion (strings)"),
    (CHATS, ".parquet", "demonstration", "chat messages"),
    (STRINGS, ".jsonl", "comparison", "prompt-chosen-rejected (strings)"),
    (STRINGS, ".csv", "comparison", "prompt-chosen-rejected (strings)"),
    (MESSAGES, ".jsonl", "comparison", "prompt-chosen-rejected (messages)"),
    (MESSAGES, ".parquet", "comparison", "prompt-chosen-rejected (messages)"),
    (HH, ".jsonl.gz", "comparison", "hh-rlhf"),
    (HH, ".jsonl", "comparison", "hh-rlhf"),
    (ASKED, ".csv", "prompt", "prompts (strings)"),
    (ASKED, ".jsonl.gz", "prompt", "prompts (strings)"),
]


@pytest.mark.parametrize(("rows", "ending", "record_type", "detected"), FILES)
def test_a_file_is_understood_and_comes_back_as_records(
    client: rlhf.Client, tmp_path: Path, rows: Rows, ending: str, record_type: str, detected: str
) -> None:
    file = tmp_path / f"team{ending}"
    WRITERS[ending](file, rows)
    dataset = client.datasets.upload(file)
    assert (dataset.name, dataset.record_type, dataset.num_records) == ("team", record_type, len(rows))
    assert (dataset.detected_format, dataset.num_bad) == (detected, 0)
    records = [
        json.loads(line) for line in client.datasets.download(dataset, tmp_path / "home").read_text().splitlines()
    ]
    assert [record["prompt"] for record in records] == [said("user", question) for question in QUESTIONS]
    answers = {"demonstration": {"response": GOOD}, "comparison": {"chosen": GOOD, "rejected": BAD}, "prompt": {}}
    for name, text in answers[record_type].items():
        assert {record[name] for record in records} == {text}


@dataclass(frozen=True)
class Team:
    """What somebody brings; `ending` is that of the demonstrations and prompts."""

    family: str
    tokenizer: Callable[[], Any]
    comparisons: Rows
    comparisons_ending: str
    demonstrations: Rows
    ending: str

    def upload(self, client: rlhf.Client, folder: Path) -> dict[str, Any]:
        save(causal(self.family), self.tokenizer(), folder / "base")
        files = {
            "demonstrations": (self.demonstrations, self.ending),
            "comparisons": (self.comparisons, self.comparisons_ending),
            "prompts": (ASKED, ".jsonl" if self.ending == ".parquet" else self.ending),
        }
        sent: dict[str, Any] = {"base": client.models.upload(folder / "base", name=f"{self.family}-base")}
        for kind, (rows, ending) in files.items():
            path = folder / f"{kind}{ending}"
            WRITERS[ending](path, rows)
            sent[kind] = client.datasets.upload(path, name=f"{self.family}-{kind}")
        return sent


def chatml() -> Any:
    tokenizer = byte_level(pad_token="<s>")
    tokenizer.chat_template = CHATML
    return tokenizer


def opening_turns() -> Any:
    tokenizer = adds_bos()
    tokenizer.chat_template = TURNS
    return tokenizer


# A chat template of its own (Qwen, Llama, Gemma) or none (GPT); padding with the end of sequence, or no pad token.
TEAMS = {
    "llama": Team("llama", opening_turns, STRINGS, ".jsonl", ANSWERED, ".jsonl"),
    "qwen2": Team("qwen2", chatml, MESSAGES, ".parquet", CHATS, ".parquet"),
    "qwen3": Team("qwen3", chatml, HH, ".jsonl", CHATS, ".jsonl"),
    "gpt2": Team("gpt2", lambda: byte_level(pad_token="</s>"), HH, ".jsonl.gz", ANSWERED, ".jsonl.gz"),
    "gpt_neox": Team("gpt_neox", byte_level, STRINGS, ".csv", ANSWERED, ".csv"),
    "gemma": Team("gemma", opening_turns, MESSAGES, ".jsonl", ANSWERED, ".jsonl"),
}


@pytest.fixture(scope="module")
def started(client: rlhf.Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, rlhf.RunHandle]:
    """All teams' runs, two of which the control plane lets go on at once."""
    return {name: start(client, team, tmp_path_factory.mktemp(name)) for name, team in TEAMS.items()}


def start(client: rlhf.Client, team: Team, folder: Path) -> rlhf.RunHandle:
    sent = team.upload(client, folder)
    small: dict[str, Any] = {"epochs": 1, "batch_size": 8}
    spec = rlhf.Pipeline(
        sft=rlhf.Sft(base_model=sent["base"], dataset=sent["demonstrations"], **small),
        reward_model=rlhf.RewardModel(base_model="stage:sft", dataset=sent["comparisons"], **small),
        ppo=rlhf.Ppo(
            policy_model="stage:sft", reward_model="stage:reward_model", prompts=sent["prompts"], steps=2,
            prompts_per_step=8, max_new_tokens=6,
        ),
        dpo=rlhf.Dpo(policy_model="stage:sft", dataset=sent["comparisons"], **small),
    )  # fmt: skip
    return client.runs.create(spec, name=f"team-{team.family}", seed=1)


@pytest.mark.parametrize("family", TEAMS)
def test_a_base_model_of_each_family_walks_the_whole_road(
    client: rlhf.Client, started: dict[str, rlhf.RunHandle], tmp_path: Path, family: str
) -> None:
    results = started[family].wait(timeout=600).results
    assert list(results) == ["sft", "reward_model", "ppo", "dpo"]
    homes = {stage: client.models.download(str(result.model), tmp_path / stage) for stage, result in results.items()}
    for stage in ("sft", "ppo", "dpo"):
        model, tokenizer = load(AutoModelForCausalLM, homes[stage])
        assert model.config.model_type == family
        assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
        (rollout,) = client.policy.generate(QUESTIONS[0], model=str(results[stage].model), max_new_tokens=6)
        assert_made_by(model, tokenizer, rollout)
    judge, _ = load(AutoModelForSequenceClassification, homes["reward_model"])
    assert judge.config.num_labels == 1
    assert len({result.model.digest for result in results.values() if result.model}) == 4
    assert all(math.isfinite(value) for result in results.values() for value in result.metrics.values())


def load(kind: Any, home: Path) -> tuple[Any, Any]:
    """As anybody does."""
    return kind.from_pretrained(home).eval(), AutoTokenizer.from_pretrained(home)


def assert_made_by(model: Any, tokenizer: Any, rollout: rlhf.Rollout) -> None:
    """By these weights, from these prompt ids, which plain transformers also makes of the question."""
    asked = tokenizer.apply_chat_template(said("user", QUESTIONS[0]), add_generation_prompt=True, tokenize=False)
    assert tokenizer(asked, add_special_tokens=False).input_ids == rollout.prompt_ids
    ids_T = torch.tensor(rollout.prompt_ids + rollout.response_ids)
    with torch.no_grad():
        logprobs_TV = model(ids_T[None]).logits[0, :-1].log_softmax(-1)
    expected_R = logprobs_TV.gather(1, ids_T[1:, None])[len(rollout.prompt_ids) - 1 :, 0]
    assert rollout.log_probs == pytest.approx(expected_R.tolist(), abs=1e-4)


def test_an_encoder_judges_ppo_by_text(client: rlhf.Client, store: ObjectStore, tmp_path: Path) -> None:
    save(causal("llama"), byte_level(), tmp_path / "policy")
    save(bert(), word_piece(), tmp_path / "bert")
    write_jsonl(tmp_path / "pairs.jsonl", STRINGS)
    write_jsonl(tmp_path / "asked.jsonl", ASKED)
    policy = client.models.upload(tmp_path / "policy", name="encoder-policy")
    spec = rlhf.Pipeline(
        judge=rlhf.RewardModel(
            base_model=client.models.upload(tmp_path / "bert", name="bert"),
            dataset=client.datasets.upload(tmp_path / "pairs.jsonl", name="encoder-pairs"),
            batch_size=8,
        ),
        ppo=rlhf.Ppo(
            policy_model=policy, reward_model="stage:judge", steps=2, prompts_per_step=8, max_new_tokens=6,
            prompts=client.datasets.upload(tmp_path / "asked.jsonl", name="encoder-asked"),
        ),
    )  # fmt: skip
    run = client.runs.create(spec, name="encoder", seed=1)
    judge = run.wait(timeout=600).results["judge"].model
    assert judge
    rollouts = [rollout for entry in ledger_of(store, run.id, "ppo") for rollout in entry["rollouts"]]
    scored = [rollout for rollout in rollouts if rollout["raw_score"] is not None]
    assert len(scored) > len(rollouts) // 2
    home = client.models.download(judge, tmp_path / "judge")
    model, tokenizer = load(AutoModelForSequenceClassification, home)
    assert model.config.model_type == "bert"
    texts = client.reward.score([(QUESTIONS[r["prompt"]], r["text"]) for r in scored], model=judge)
    for rollout, score in zip(scored, texts, strict=True):
        pair = tokenizer(
            QUESTIONS[rollout["prompt"]], rollout["text"], return_tensors="pt", return_token_type_ids=False
        )
        with torch.no_grad():
            logit = model(**pair).logits.item()
        assert rollout["raw_score"] == pytest.approx(logit, abs=1e-4)
        assert score.raw == pytest.approx(logit, abs=1e-4)
