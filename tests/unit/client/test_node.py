"""The example in clients/node, run by a real Node against a real reward service."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import rlhf
from prometheus_client import CollectorRegistry

from services.reward.servicer import register
from services.reward.settings import RewardSettings
from services.runtime.server import running
from tests.tools import tool
from tests.unit.language_model.small_models import byte_level, reward
from tests.unit.serving.live import Shelf

CLIENT = Path(__file__).parents[3] / "clients" / "node"
TOKEN = "0123456789" * 4
QUESTION = ("How do I make tea?", "Boil fresh water.", "No.")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    node()
    shelf = Shelf(tmp_path_factory.mktemp("node"))
    shelf.publish("judge", reward("llama"), byte_level(pad_token="<s>"))
    settings = RewardSettings(**shelf.options, tokens=f"caller shop {TOKEN}")
    registered = partial(register, settings, registry=CollectorRegistry())
    async with running("reward", settings, registered) as found:
        yield str(found)


def node() -> str:
    if not (CLIENT / "node_modules").is_dir():
        pytest.skip("needs clients/node/node_modules (npm ci in clients/node)")
    return tool("node", "nodejs")


async def score(address: str, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    command = [node(), str(CLIENT / "score.js"), *arguments]
    environ = {"PATH": os.environ["PATH"], "RLHF_REWARD": address, "RLHF_TOKEN": token}
    run = partial(subprocess.run, command, env=environ, capture_output=True, text=True, timeout=120)
    return await asyncio.to_thread(run)


async def test_answers_come_back_best_first_with_the_scores_that_python_gets(address: str) -> None:
    found = await score(address, "--model", "judge", *QUESTION)
    assert found.returncode == 0, found.stderr
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    async with rlhf.AsyncClient(reward=address, token=TOKEN) as client:
        ranked = await client.reward.rank(QUESTION[0], QUESTION[1:], model="judge")
    assert [row["answer"] for row in rows] == [each.response for each in ranked]
    assert [row["reward"] for row in rows] == pytest.approx([each.score.normalized for each in ranked], abs=1e-4)
    assert all(row["model"].startswith("judge@") for row in rows)


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        (("--model", "judge", *QUESTION), "wrong" * 8, "error: UNAUTHENTICATED: "),
        (("--model", "nobody", *QUESTION), TOKEN, "error: NOT_FOUND: "),
        (("--model", "judge", "--seconds", "0.000001", *QUESTION), TOKEN, "error: DEADLINE_EXCEEDED: "),
        (("--seconds", "soon", *QUESTION), TOKEN, "error: --seconds: got soon, expected a number above 0"),
        (("alone",), TOKEN, "error: answers: got none"),
    ],
)
async def test_what_goes_wrong_is_said(address: str, arguments: tuple[str, ...], token: str, words: str) -> None:
    found = await score(address, *arguments, token=token)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(words)


async def test_a_token_does_not_leave_this_machine_in_plaintext() -> None:
    found = await score("rewards.example:50052", *QUESTION)
    assert found.returncode == 1
    assert found.stderr.startswith("error: address: got rewards.example:50052, expected loopback")
