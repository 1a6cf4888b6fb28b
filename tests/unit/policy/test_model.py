"""What a policy takes in memory: known before it loads, and never more."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
import torch
from prometheus_client import CollectorRegistry
from transformers import PreTrainedModel

from services.language_model.generation import Request
from services.language_model.loading import save
from services.language_model.sampling import SamplingParams
from services.policy.engine_loop import EngineLoop
from services.policy.metrics import policy_metrics
from services.policy.model import PolicyLoader, PolicyModel
from services.serving.loaded import weight_bytes
from services.serving.token_admission import TokenAdmission
from tests.unit.language_model.small_models import DECODERS, byte_level, causal, random_ids

TOKEN_BYTES = 2 * 2 * 2 * 8 * 4  # keys and values, 2 layers, 2 heads of 8 numbers


def loader(executor: ThreadPoolExecutor | None = None, max_slots: int = 4, cache_bytes: int = 1 << 30) -> PolicyLoader:
    return PolicyLoader(
        max_slots,
        cache_bytes,
        torch.device("cpu"),
        partial(EngineLoop, executor=executor, admission=TokenAdmission(10**6)),  # type: ignore
    )


def saved(model: PreTrainedModel, folder: Path) -> Path:
    save(model, byte_level(pad_token="<s>"), folder)
    return folder


def cache_of(model: PolicyModel) -> int:
    """Bytes of the engine that all requests share."""
    layers = model.loop._engine._slots.slot_layers
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers if layer.keys is not None)


@pytest.mark.parametrize("family", DECODERS)
def test_what_a_model_will_take_is_known_before_it_is_loaded(family: str, tmp_path: Path) -> None:
    folder = saved(causal(family), tmp_path)
    loaded = loader().load(folder)
    weights = sum(parameter.nbytes for parameter in loaded.model.parameters())
    assert loaded.memory_bytes >= weights + 2 * 4 * 256 * TOKEN_BYTES
    assert loader().needed_bytes(folder) == pytest.approx(loaded.memory_bytes, rel=0.01)


def test_half_precision_in_the_file_is_whole_in_memory(tmp_path: Path) -> None:
    whole, half = saved(causal("llama"), tmp_path / "whole"), saved(causal("llama").bfloat16(), tmp_path / "half")
    assert (half / "model.safetensors").stat().st_size < 0.7 * (whole / "model.safetensors").stat().st_size
    assert weight_bytes(half) == weight_bytes(whole)


async def test_keys_and_values_stay_within_what_was_counted(tmp_path: Path) -> None:
    """More is asked for than fits at once: some wait, all are answered as they would be with room enough."""
    asked = [
        Request(prompt, SamplingParams(max_new_tokens=length, seed=1), i)
        for i, (prompt, length) in enumerate(zip(random_ids(12, 3, 20), [8, 150, 60, 12, 100, 7] * 2))
    ]
    folder = saved(causal("llama"), tmp_path)
    answers = []
    with ThreadPoolExecutor(1) as executor:
        for cache_bytes in (1 << 30, 300 * TOKEN_BYTES):
            model = loader(executor, 8, cache_bytes).load(folder)
            found, most = {}, 0
            series = policy_metrics(CollectorRegistry()).of("small")
            async with aclosing(model.loop.events(asked, series)) as events:
                async for index, event in events:
                    most = max(most, cache_of(model))
                    found[index] = event.generation.response_ids if event.generation else []
            answers.append(found)
            assert 0 < most <= min(cache_bytes, model.cache_bytes // 2)
    assert answers[0] == answers[1]


async def test_requests_with_batches_of_their_own_take_turns(tmp_path: Path) -> None:
    """Each has keys and values of its own, and the memory is counted for one of them."""
    model = loader().load(saved(causal("llama"), tmp_path))
    async with model.loop_for(True) as first:
        assert first is not model.loop
        async with model.loop_for(False) as shared:
            assert shared is model.loop
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), model.loop_for(True):
                pytest.fail("two at a time")
    async with asyncio.timeout(1), model.loop_for(True):
        pass


def test_a_context_that_does_not_fit_is_cut(tmp_path: Path) -> None:
    folder = saved(causal("llama"), tmp_path)
    assert loader().load(folder).max_context == 256
    assert loader(cache_bytes=100 * TOKEN_BYTES).load(folder).max_context == 100
