"""The three services as processes, as they are run: start, answer alike, stop without losing a request."""

import asyncio
import os
import re
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from rlhf.v1 import policy_pb2, policy_pb2_grpc, reference_pb2, reference_pb2_grpc, reward_pb2, reward_pb2_grpc
from rlhf.v1.types_pb2 import Prompt, Response, Sampling

from tests.unit.language_model.small_models import byte_level, causal, reward
from tests.unit.serving.live import Shelf

ROOT = Path(__file__).parents[3]
# Small batches, so that work is left when the signal comes.
FLAGS = {"reward": ("--batch-tokens", "500"), "reference": ("--batch-tokens", "500")}
TOKENIZER = byte_level(pad_token="<s>")


@dataclass
class Service:
    process: asyncio.subprocess.Process
    channel: grpc.aio.Channel
    metrics: str

    def started(self) -> float:
        """Calls that the service has taken up."""
        text = urllib.request.urlopen(f"http://{self.metrics}/metrics").read().decode()
        return sum(float(n) for n in re.findall(r"^grpc_server_started_total\{.*\} (\S+)$", text, re.MULTILINE))

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def start(name: str, shelf: Shelf, *flags: str) -> AsyncIterator[Service]:
    storage = ["--storage", str(shelf.folder / "store"), "--cache", str(shelf.folder / "cache")]
    command = ["-m", f"services.{name}", "--port", "0", "--metrics-port", "0", *storage, *flags]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        assert process.stdout
        line = (await asyncio.wait_for(process.stdout.readline(), 90)).decode()
        address, metrics = re.findall(r"[\d.]+:\d+", line)
        async with grpc.aio.insecure_channel(address) as channel:
            yield Service(process, channel, metrics)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.publish("sft", causal("llama"), TOKENIZER)
    shelf.publish("rm", reward("llama"), TOKENIZER)
    return shelf


def generate(seed: int, **sampling) -> policy_pb2.GenerateRequest:
    params = Sampling(seed=seed, **{"max_new_tokens": 200, **sampling})
    return policy_pb2.GenerateRequest(
        model="sft", prompts=[Prompt(text="The cat")], samples_per_prompt=8, sampling=params
    )


async def test_services_agree_and_answer_every_admitted_request_before_they_stop(shelf: Shelf) -> None:
    async with AsyncExitStack() as stack:
        names = ("policy", "reward", "reference")
        starting = [stack.enter_async_context(start(name, shelf, *FLAGS.get(name, ()))) for name in names]
        policy, reward_service, reference = await asyncio.gather(*starting)
        policy_stub = policy_pb2_grpc.PolicyServiceStub(policy.channel)
        reward_stub = reward_pb2_grpc.RewardServiceStub(reward_service.channel)
        reference_stub = reference_pb2_grpc.ReferenceServiceStub(reference.channel)
        for temperature in (1.0, 0.7):
            await check_agreement(policy_stub, reference_stub, temperature)
        await check_stop(policy, [policy_stub.Generate(generate(seed)) for seed in range(6)])
        items = [reward_pb2.ScoreItem(prompt=Prompt(text="The cat " * 9), response=Response(text="sat"))] * 200
        score = reward_pb2.ScoreRequest(models=["rm"], items=items)
        await check_stop(reward_service, [reward_stub.Score(score) for _ in range(6)])
        sequence = reference_pb2.TokenSequence(prompt_ids=[5] * 100, response_ids=[6] * 100)
        log_probs = reference_pb2.LogProbsRequest(model="sft", sequences=[sequence] * 200)
        await check_stop(reference, [reference_stub.LogProbs(log_probs) for _ in range(6)])


async def check_agreement(policy_stub, reference_stub, temperature: float) -> None:
    rollouts = (await policy_stub.Generate(generate(1, temperature=temperature))).rollouts
    sequences = [reference_pb2.TokenSequence(prompt_ids=r.prompt_ids, response_ids=r.response_ids) for r in rollouts]
    request = reference_pb2.LogProbsRequest(model="sft", sequences=sequences, temperature=temperature)
    answer = await reference_stub.LogProbs(request)
    assert answer.model_version == rollouts[0].model_version
    for rollout, of_reference in zip(rollouts, answer.sequences, strict=True):
        assert list(rollout.log_probs) == pytest.approx(list(of_reference.log_probs), abs=1e-4)


async def check_stop(service: Service, calls: list) -> None:
    before = service.started()
    tasks = [asyncio.ensure_future(collect(call)) for call in calls]
    async with asyncio.timeout(20):
        while await asyncio.to_thread(service.started) < before + len(tasks):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.01)
    assert not all(task.done() for task in tasks), "the signal must meet work in progress"
    assert await service.stop() == 0
    for answer in await asyncio.gather(*tasks):
        assert answer.ByteSize() > 100


async def collect(call):
    return await call
