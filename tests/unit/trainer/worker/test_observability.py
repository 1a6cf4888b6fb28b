"""A PPO step against the three services in this process: its trace, what it logs, and what measuring it costs."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.values import MutexValue
from transformers import LlamaForSequenceClassification

from services.policy.servicer import register as register_policy
from services.policy.settings import PolicySettings
from services.reference.servicer import register as register_reference
from services.reference.settings import ReferenceSettings
from services.reward.servicer import register as register_reward
from services.reward.settings import RewardSettings
from services.runtime.channels import open_channel
from services.runtime.server import running
from services.trainer.recipes import PpoSpec, RunSpec
from services.trainer.worker.rollouts import Channels, ServiceCollector
from tests.spans import Spans, collected
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, prompts

SERVICES = {
    "policy": (PolicySettings, register_policy),
    "reward": (RewardSettings, register_reward),
    "reference": (ReferenceSettings, register_reference),
}
CALLS = {
    "rlhf.v1.PolicyService/Generate": "rollout",
    "rlhf.v1.RewardService/Score": "score",
    "rlhf.v1.ReferenceService/LogProbs": "reference",
}


@dataclass
class Observable:
    world: SmallWorld
    addresses: dict[str, str]
    spec: PpoSpec

    def train(self, run_id: str) -> None:
        world = SmallWorld(self.world.folder, run_id)
        with (
            open_channel(self.addresses["policy"]) as policy,
            open_channel(self.addresses["reward"]) as reward,
            open_channel(self.addresses["reference"]) as reference,
        ):
            collector = ServiceCollector(Channels(policy, reward, reference), idle, 300.0)
            world.run(RunSpec(run_id, self.spec), collector=collector)


def idle() -> None:
    pass


@pytest.fixture(scope="module")
def observable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observable]:
    world = SmallWorld(tmp_path_factory.mktemp("observable"))
    policy = str(world.publish("sft", small_world.policy()))
    reward = str(world.publish("rm", LlamaForSequenceClassification(small_world.config(num_labels=1)).eval()))
    asked = world.put("prompts", prompts(40))
    with services(world.folder) as addresses:
        yield Observable(
            world, addresses, PpoSpec(policy, reward, asked, steps=2, prompts_per_step=8, max_new_tokens=6)
        )


@contextmanager
def services(folder: Path) -> Iterator[dict[str, str]]:
    """In a thread with a loop of its own, as the worker's calls block."""
    started, ended = threading.Event(), asyncio.Event()
    addresses: dict[str, str] = {}
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for name, (settings, register) in SERVICES.items():
                paths: dict[str, Any] = {"storage": str(folder / "storage"), "cache": folder / "cache"}
                chosen = settings(port=0, metrics_port=0, drain_seconds=1.0, **paths)
                enter = partial(register, chosen, registry=CollectorRegistry())
                addresses[name] = str(await stack.enter_async_context(running(name, chosen, enter)))
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(60)
    try:
        yield addresses
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


@pytest.fixture
def spans() -> Iterator[Spans]:
    with collected() as spans:
        yield spans


def test_a_ppo_step_is_one_trace_through_generation_scores_and_log_probs(observable: Observable, spans: Spans) -> None:
    observable.train("traced")
    steps = spans.named("step")
    assert [dict(span.attributes or {}) for span in steps] == [
        {"run": "traced", "stage": "ppo", "step": number} for number in (1, 2)
    ]
    for step in steps:
        within = spans.of_trace(step)
        calls = {span.name: spans.parent(span) for span in within if span.name in CALLS}
        assert {name: part.name for name, part in calls.items()} == CALLS
        assert all(spans.parent(part) is step for part in calls.values())
        assert {"advantage", "update"} <= {span.name for span in within}


def test_measuring_costs_far_less_than_a_hundredth_of_a_step(
    observable: Observable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of worker and services together; CPU time, so that other load on the machine does not matter."""
    updates = 0

    def counted(change: Any) -> Any:
        def counting(self: Any, *arguments: Any) -> Any:
            nonlocal updates
            updates += 1
            return change(self, *arguments)

        return counting

    for name in ("inc", "set"):
        monkeypatch.setattr(MutexValue, name, counted(getattr(MutexValue, name)))
    started = time.process_time()
    observable.train("measured")
    step_seconds = (time.process_time() - started) / observable.spec.steps
    monkeypatch.undo()
    share = updates / observable.spec.steps * cost_of_an_update() / step_seconds
    assert updates > 100, "the step was measured at all"
    assert share < 0.005, f"{updates} updates, {share:.2%} of the step"


def cost_of_an_update(count: int = 20_000) -> float:
    """Seconds, the look-up of the label included."""
    metric = Counter("cost", "of one", ("label",), registry=None)
    started = time.process_time()
    for _ in range(count):
        metric.labels("value").inc()
    return (time.process_time() - started) / count
