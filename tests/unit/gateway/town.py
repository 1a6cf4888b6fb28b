"""Services and a gateway in a thread of this process, over one folder: real models, real gRPC, real HTTP."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import rlhf
import torch
from prometheus_client import CollectorRegistry

from services.feedback.service import Feedback
from services.feedback.settings import FeedbackSettings
from services.gateway.server import running as gateway_running
from services.gateway.settings import GatewaySettings
from services.language_model.loading import load_tokenizer, new_reward, save
from services.policy.servicer import register as register_policy
from services.policy.settings import PolicySettings
from services.reward.servicer import register as register_reward
from services.reward.settings import RewardSettings
from services.runtime.server import Address, running
from services.simulator.base_model import WEIGHTS
from services.trainer.launchers.launcher import Assignment, Launch, Launcher
from services.trainer.launching import launcher
from services.trainer.service import Trainer
from services.trainer.settings import TrainerSettings

PEOPLE = {"anna": "annotator", "ben": "annotator", "shop": "caller", "tess": "trainer", "ops": "operator"}
TOKEN = {name: f"{name}-{'0123456789' * 4}" for name in PEOPLE}
TOKENS = "\n".join(f"{role} {name} {TOKEN[name]}" for name, role in PEOPLE.items())

torch.set_num_threads(1)


@dataclass
class Town:
    folder: Path
    loop: asyncio.AbstractEventLoop
    addresses: dict[str, str] = field(default_factory=dict)
    policy_registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    reward_registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    @property
    def url(self) -> str:
        return f"http://{self.addresses['gateway']}"

    def client(self, name: str = "ops") -> rlhf.Client:
        """The services behind, asked directly."""
        services = {name: address for name, address in self.addresses.items() if name != "gateway"}
        return rlhf.Client(**services, token=TOKEN[name])  # type: ignore[arg-type]

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    @contextmanager
    def gateway(self, **changes: Any) -> Iterator[str]:
        """Another gateway over the same services; its URL."""
        stack = AsyncExitStack()
        address = self.call(stack.enter_async_context(gateway_running(self.gateway_settings(**changes), {})))
        try:
            yield f"http://{address}"
        finally:
            self.call(stack.aclose())

    def gateway_settings(self, **changes: Any) -> GatewaySettings:
        services = {name: self.addresses[name] for name in ("policy", "reward", "trainer", "feedback")}
        given = {"port": 0, "metrics_port": 0, "drain_seconds": 5, "tokens": TOKENS, **services}
        return GatewaySettings(**{**given, **changes})


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    found = Town(folder, loop)
    context = _services(found)
    try:
        found.call(context.__aenter__())
        stock(found)
        yield found
    finally:
        found.call(context.__aexit__(None, None, None))
        found.call(loop.shutdown_default_executor())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@asynccontextmanager
async def _services(town: Town) -> AsyncIterator[None]:
    common: dict[str, Any] = {"port": 0, "metrics_port": 0, "drain_seconds": 5.0, "tokens": TOKENS}
    common |= {"storage": str(town.folder / "store"), "cache": town.folder / "cache"}
    where, work = town.addresses, {"work_dir": town.folder / "work"}
    async with AsyncExitStack() as stack:

        async def start(name: str, settings: Any, register: Any) -> Any:
            address = await stack.enter_async_context(running(name, settings, register))
            where[name] = str(address)
            return address

        policy, reward = PolicySettings(**common), RewardSettings(**common)
        await start("policy", policy, partial(register_policy, policy, registry=town.policy_registry))
        await start("reward", reward, partial(register_reward, reward, registry=town.reward_registry))
        models = {name: where[name] for name in ("policy", "reward")}
        control = TrainerSettings(**common, **work, **models, reference=where["policy"], stop_workers=True)
        trainer = Trainer(control, with_token_for_workers)
        await stack.enter_async_context(trainer.supervised(await start("trainer", control, trainer.register)))
        asking = FeedbackSettings(**common, **work, **models)
        feedback = Feedback(asking)
        await stack.enter_async_context(feedback.preparing(await start("feedback", asking, feedback.register)))
        address = await stack.enter_async_context(gateway_running(town.gateway_settings(), {}))
        where["gateway"] = str(address)
        yield


def with_token_for_workers(settings: TrainerSettings, address: Address) -> Launcher:
    """Workers find their token in the environment, which stays clean for whatever else runs in this process."""
    with token_in_environment():
        found = launcher(settings, address)
    prepare = found.prepare

    def prepare_with_token(assignment: Assignment) -> Launch:
        with token_in_environment():
            return prepare(assignment)

    found.prepare = prepare_with_token  # type: ignore[method-assign]
    return found


@contextmanager
def token_in_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLHF_TOKEN", TOKEN["tess"])
        yield


def stock(town: Town) -> None:
    """A policy `base` and a reward model `judge`, each also under the alias that callers get by default."""
    judge = new_reward(WEIGHTS, seed=0)
    judge.config.reward_offset = 0.25
    save(judge, load_tokenizer(WEIGHTS), town.folder / "judge")
    with town.client() as client:
        client.models.promote(client.models.upload(WEIGHTS, name="base"), "policy/default")
        client.models.promote(client.models.upload(town.folder / "judge", name="judge"), "reward/default")
