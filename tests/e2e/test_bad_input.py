"""What people get wrong, and what they are told: the field, what it held and what was expected."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlhf
from typer.testing import Result

from services.language_model.loading import save
from tests.unit.language_model.small_models import byte_level, causal, reward

pytestmark = pytest.mark.timeout(900)

Cli = Callable[..., Result]


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def names(client: rlhf.Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Good models and datasets, each by the field that takes it; `stranger` was trained on another chat template."""
    folder = tmp_path_factory.mktemp("bad-input")
    other = byte_level()
    other.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    save(causal("llama"), byte_level(), folder / "policy")
    save(reward("llama"), byte_level(), folder / "judge")
    save(reward("llama"), other, folder / "stranger")
    found = {
        name: str(client.models.upload(folder / name, name=f"bad-{name}")) for name in ("policy", "judge", "stranger")
    }
    rows = [{"prompt": f"Question {index}?"} for index in range(8)]
    files = {
        "prompts": jsonl(folder / "prompts.jsonl", *rows),
        "long": jsonl(folder / "long.jsonl", *[{"prompt": "Why? " * 100}] * 8),
        "demonstrations": jsonl(folder / "demonstrations.jsonl", *[row | {"completion": "Yes."} for row in rows]),
    }
    return found | {name: str(client.datasets.upload(file, name=f"bad-{name}")) for name, file in files.items()}


def ppo(names: dict[str, str], **more: Any) -> rlhf.Ppo:
    given = {"policy_model": names["policy"], "reward_model": names["judge"], "prompts": names["prompts"]}
    return rlhf.Ppo(**(given | more))


def refused(client: rlhf.Client, spec: rlhf.Spec, **more: Any) -> dict[str, str]:
    """Field → what was said of it."""
    with pytest.raises(rlhf.InvalidInputError) as caught:
        client.runs.create(spec, name="never", **more)
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
    return {problem.field: problem.description for problem in caught.value.problems}


def told(result: Result, code: int = 1) -> str:
    """What stderr says, on one line."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return re.sub(r"[\s│╭╮╰╯─]+", " ", result.stderr)


def test_an_unknown_field_of_a_spec(cli: Cli, names: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(rlhf.InvalidInputError, match=r"epoch: Sft has no such field; did you mean 'epochs'\?"):
        rlhf.Sft(base_model=names["policy"], dataset=names["demonstrations"], epoch=3)  # type: ignore[call-arg]
    file = jsonl(tmp_path / "rows.jsonl", {"prompt": "Hi"})
    files = [text for kind in ("demonstrations", "comparisons", "prompts") for text in (f"--{kind}", file)]
    said = told(cli("pipeline", "--base", names["policy"], *files, "--set", "ppo.klcoefficient=1"))
    assert "klcoefficient: Ppo has no such field; did you mean 'kl_coefficient'?" in said
    flags = ["--base-model", names["policy"], "--dataset", names["demonstrations"], "--name", "x"]
    assert "No such option: --epoch" in told(cli("train", "sft", *flags, "--epoch", "3"), code=2)


def test_a_missing_file(client: rlhf.Client, cli: Cli) -> None:
    with pytest.raises(rlhf.InvalidInputError, match=r"got 'nowhere\.jsonl', expected something that exists"):
        client.datasets.upload("nowhere.jsonl")
    with pytest.raises(rlhf.InvalidInputError, match=r"source: got '/nowhere\.jsonl', which the service does not see"):
        client.datasets.import_("/nowhere.jsonl", name="nowhere")
    assert "'nowhere.jsonl' does not exist" in told(cli("data", "upload", "nowhere.jsonl"), code=2)


BAD_FILES = [
    pytest.param(
        {"question": "Hi", "answer_a": "Yes.", "answer_b": "No."}, "comparison",
        r"got columns question, answer_a, answer_b, expected columns for comparison records: .*prompt \+ chosen \+ "
        r"rejected.*--map chosen=answer_a",
        id="wrong column",
    ),
    pytest.param(
        {"prompt": "Hi", "chosen": "Yes.", "rejected": "Yes."}, None,
        r"bad\.jsonl:3 rejected: got .?Yes\..?, expected an answer other than the chosen one",
        id="chosen == rejected",
    ),
    pytest.param(
        {"prompt": "Hi", "completion": "  "}, None,
        r"bad\.jsonl:3 completion: got .*, expected a text that is not empty",
        id="empty response",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("row", "record_type", "expected"), BAD_FILES)
def test_a_bad_row_is_named_by_file_line_and_column(
    client: rlhf.Client, cli: Cli, tmp_path: Path, row: dict[str, str], record_type: str | None, expected: str
) -> None:
    good = {name: f"{text} Indeed {name}." for name, text in row.items()}
    file = jsonl(tmp_path / "bad.jsonl", good, good, row)
    with pytest.raises(rlhf.InvalidInputError, match=expected):
        client.datasets.upload(file, record_type=record_type)
    kind = ["--type", record_type] if record_type else []
    assert re.search(expected, told(cli("data", "upload", file, *kind)))
    assert "bad" not in {dataset.name for dataset in client.datasets.list()}


def test_a_prompt_longer_than_the_context(client: rlhf.Client, cli: Cli, names: dict[str, str]) -> None:
    expected = r"prompts\[1\]: got \d+ tokens, expected fewer than 256: the context"
    with pytest.raises(rlhf.InvalidInputError, match=expected):
        client.policy.generate(["Hi", "Why? " * 100], model=names["policy"], max_new_tokens=4)
    assert re.search(expected, told(cli("generate", "Hi", "Why? " * 100, "--model", names["policy"])))
    said = refused(client, ppo(names, max_new_tokens=256))
    assert said == {
        "spec.ppo.max_new_tokens": "got 256, expected fewer than the 256 tokens that the policy's context has "
        "for prompt and response"
    }
    (score,) = client.reward.score([("Hi", "Yes. " * 200)], model=names["judge"])
    assert (score.raw, score.error) == (None, "the response alone is longer than the context of 256 tokens")


def test_prompts_that_are_all_too_long_fail_the_run_in_words(client: rlhf.Client, names: dict[str, str]) -> None:
    run = client.runs.create(ppo(names, prompts=names["long"], prompts_per_step=8, max_new_tokens=8), name="too-long")
    with pytest.raises(rlhf.RunFailedError, match=r"ppo\.prompts: got 8 rows that are all too long, expected rows of"):
        run.wait(timeout=300)


def test_a_model_without_safetensors(client: rlhf.Client, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pickled").mkdir()
    for name in ("config.json", "pytorch_model.bin"):
        (tmp_path / "pickled" / name).write_text("{}")
    expected = r"holds config\.json, pytorch_model\.bin, expected \*\.safetensors beside config\.json"
    with pytest.raises(rlhf.InvalidInputError, match=expected):
        client.models.upload(tmp_path / "pickled")
    assert re.search(expected, told(cli("models", "upload", tmp_path / "pickled")))
    with pytest.raises(rlhf.InvalidInputError, match=r"model: got files config\.json, expected weights as \*\.safet"):
        client.models.import_(str(tmp_path / "pickled"), name="pickled")


def test_a_reward_model_of_another_chat_template(client: rlhf.Client, names: dict[str, str]) -> None:
    said = refused(client, ppo(names, reward_model=names["stranger"]))
    assert list(said) == ["spec.ppo.reward_model"]
    assert re.fullmatch(
        r"got a model trained with the chat template [0-9a-f]{12}, expected the policy's chat template, [0-9a-f]{12}",
        said["spec.ppo.reward_model"],
    )


def test_an_unknown_model(client: rlhf.Client, cli: Cli, names: dict[str, str]) -> None:
    for ask in (
        lambda: client.policy.generate("Hi", model="nobody"),
        lambda: client.reward.score([("Hi", "Yes.")], model="nobody"),
        lambda: client.reference.log_probs([([5], [6])], model="nobody"),
        lambda: client.models.promote("nobody", "policy/default"),
    ):
        with pytest.raises(rlhf.NotFoundError, match=r"nobody.*(bad-policy|known|there)"):
            ask()
    assert "nobody" in told(cli("generate", "Hi", "--model", "nobody"))
    said = refused(client, ppo(names, policy_model="nobody", prompts="nothing"))
    assert re.match("got 'nobody', expected a language model of the catalog", said["spec.ppo.policy_model"])
    assert re.match("got 'nothing', expected a dataset of prompts of the catalog", said["spec.ppo.prompts"])
    said = refused(client, ppo(names, policy_model=names["judge"]))
    assert said["spec.ppo.policy_model"].endswith("a reward model, expected a language model")


def test_contradictory_settings_are_listed_at_once(client: rlhf.Client, cli: Cli, names: dict[str, str]) -> None:
    wrong = {"minibatches": 16, "prompts_per_step": 8, "temperature": 20.0}
    said = refused(client, ppo(names, **wrong), deterministic=True)
    assert said == {
        "spec.ppo.minibatches": "got 16 for 16 samples (prompts_per_step × samples_per_prompt), expected minibatches "
        "of at least 8 samples, which advantages are whitened over",
        "spec.ppo.temperature": "got 20, expected a number in (0, 10]",
    }
    fields = {"policy_model": names["policy"], "reward_model": names["judge"], "prompts": names["prompts"]} | wrong
    flags = [text for name, value in fields.items() for text in (f"--{name.replace('_', '-')}", value)]
    text = told(cli("train", "ppo", *flags, "--name", "never", "--deterministic"))
    assert all(f"{field}: {description}" in text for field, description in said.items())
    assert "never" not in [run.name for run in client.runs.list()]
