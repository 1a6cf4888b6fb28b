"""TRL trains on a reward model of the service."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import rlhf
from datasets import Dataset
from prometheus_client import CollectorRegistry

from services.language_model.loading import load_tokenizer, save
from services.reward.servicer import register
from services.reward.settings import RewardSettings
from services.runtime.server import running
from tests.unit.language_model.small_models import byte_level, causal, reward
from tests.unit.serving.live import Shelf

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

TOKENIZER = byte_level(pad_token="<s>")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[rlhf.Client]:
    """Of a reward service in another thread, which the blocking trainer needs."""
    shelf = Shelf(tmp_path)
    shelf.publish("judge", reward("llama"), TOKENIZER)
    settings, address = RewardSettings(**shelf.options), list[str]()
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with running("reward", settings, partial(register, settings, registry=CollectorRegistry())) as where:
            address.append(str(where))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    with rlhf.Client(reward=address[0]) as client:
        yield client
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_grpo_takes_two_steps_on_a_served_reward_model(client: rlhf.Client, tmp_path: Path) -> None:
    from trl import GRPOConfig, GRPOTrainer

    save(causal("llama"), TOKENIZER, tmp_path / "policy")
    score, asked = rlhf.as_trl_reward(client, "judge"), list[list[float]]()

    def counted(**call) -> list[float]:
        asked.append(score(**call))
        return asked[-1]

    trainer = GRPOTrainer(
        model=str(tmp_path / "policy"),
        processing_class=load_tokenizer(tmp_path / "policy"),
        reward_funcs=counted,
        train_dataset=Dataset.from_dict({"prompt": ["How do I boil an egg?", "The cat sat"] * 4}),
        args=GRPOConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=2,
            per_device_train_batch_size=4,
            num_generations=2,
            max_completion_length=8,
            logging_steps=1,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
        ),
    )
    trainer.train()
    assert trainer.state.global_step == 2
    assert [len(scores) for scores in asked] == [4, 4]
    logged = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    assert logged == [pytest.approx(sum(scores) / len(scores), abs=1e-4) for scores in asked]
