"""The programs in examples/ do for a user what they say."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rlhf

from services.language_model.loading import load_tokenizer, new_reward, save
from services.local import Services
from services.simulator.base_model import WEIGHTS
from tests.e2e.front_door import front_door

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
LABELLED = ROOT / "examples/labelled.jsonl"
PROMPT = "How do I make tea?"
RATE = re.compile(r"-positive rate (\d\.\d\d) \[(\d\.\d\d), (\d\.\d\d)\]: (\d+) of (\d+)")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def url(services: Services, folder: Path) -> Iterator[str]:
    with front_door(services, folder / "examples") as url:
        yield url


@pytest.fixture(scope="module")
def judge(client: rlhf.Client, folder: Path) -> str:
    save(new_reward(WEIGHTS, seed=0), load_tokenizer(WEIGHTS), folder / "example-judge")
    client.models.upload(WEIGHTS, name="example-policy")
    return str(client.models.upload(folder / "example-judge", name="example-judge"))


@pytest.fixture(scope="module")
def example(services: Services) -> Run:
    """`python examples/NAME …`, told by the environment where the services are."""
    addresses = {f"RLHF_{name.upper()}": address for name, address in services.addresses.items()}
    environ = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"} | addresses

    def run(name: str, *given: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, f"examples/{name}", *map(str, given)]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300)

    return run


def test_answers_of_an_openai_server_come_best_first(example: Run, client: rlhf.Client, judge: str, url: str) -> None:
    models = ("--base-url", f"{url}/v1", "--model", "example-policy", "--reward-model", judge)
    done = example("rerank.py", PROMPT, *models, "-n", 3, "--max-tokens", 8)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^([+-]\d+\.\d\d)  (.*?)(?=\n[+-]\d+\.\d\d  |\n\Z)", done.stdout, re.DOTALL | re.MULTILINE)
    assert len(found) == 3
    scores = client.reward.score([(PROMPT, answer) for _, answer in found], model=judge)
    assert [float(shown) for shown, _ in found] == pytest.approx([score.normalized for score in scores], abs=0.006)
    assert [float(shown) for shown, _ in found] == sorted((float(shown) for shown, _ in found), reverse=True)


def test_a_server_that_refuses_is_told_in_one_line(example: Run, url: str) -> None:
    done = example("rerank.py", PROMPT, "--base-url", f"{url}/v1", "--model", "nobody")
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*nobody.*\n", done.stderr)


def test_the_guardrail_is_set_by_one_half_and_tried_on_the_other(
    example: Run, client: rlhf.Client, judge: str, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in LABELLED.read_text().splitlines()][:120]
    few = tmp_path / "few.jsonl"
    few.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answer = rows[0]["response"]
    asked = (few, "--model", judge, "--stopped", 0.1, "--prompt", PROMPT, "--response", answer)
    done = example("guardrail.py", *asked)

    scores = [s.normalized for s in client.reward.score([(r["prompt"], r["response"]) for r in rows], model=judge)]
    setting, trying = (list(zip(scores, rows))[start::2] for start in (0, 1))
    good = sorted(score for score, row in setting if row["acceptable"])
    limit = good[int(0.1 * (len(good) + 1)) - 1]
    assert f"threshold {limit:+.2f}" in done.stdout
    for truth, (rate, low, high, hits, count) in zip((True, False), RATE.findall(done.stdout), strict=True):
        stopped = [score < limit for score, row in trying if row["acceptable"] is truth]
        assert (int(hits), int(count)) == (sum(stopped), len(stopped))
        assert float(low) <= float(rate) <= float(high)
    (own,) = client.reward.score([(PROMPT, answer)], model=judge)
    passes = own.normalized >= limit
    assert done.stdout.splitlines()[-1] == f"{'passes' if passes else 'stopped'}: {own.normalized:+.2f}"
    assert done.returncode == (0 if passes else 3), done.stderr


def test_what_has_no_score_does_not_pass(example: Run, judge: str) -> None:
    long = "tea " * 5000
    done = example("guardrail.py", LABELLED, "--model", judge, "--prompt", PROMPT, "--response", long)
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[-1].startswith("stopped: ")


def test_guidelines_reach_the_raters(client: rlhf.Client) -> None:
    text = (ROOT / "examples/guidelines.md").read_text()
    client.feedback.create("example-guidelines", guidelines=text)
    assert client.feedback.get("example-guidelines").guidelines == text
