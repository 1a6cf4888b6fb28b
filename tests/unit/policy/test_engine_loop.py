"""The loop around a real engine: what joins, leaves and fails between steps."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest
from prometheus_client import CollectorRegistry

from services.language_model.engine import Engine
from services.language_model.generation import Generation, Request
from services.language_model.sampling import SamplingParams
from services.policy.engine_loop import EngineLoop
from services.policy.metrics import policy_metrics
from services.serving.token_admission import TokenAdmission
from tests.unit.language_model.small_models import byte_level, causal, random_ids

SERIES = policy_metrics(CollectorRegistry()).of("small")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(causal("llama"), byte_level(pad_token="<s>"), max_slots=4)


@pytest.fixture
def loop(engine: Engine) -> Iterator[EngineLoop]:
    with ThreadPoolExecutor(1) as executor:
        yield EngineLoop(engine.fresh(), executor, TokenAdmission(10**6))


def requests(count: int, new_tokens: int = 8, seed: int = 0) -> list[Request]:
    params = SamplingParams(max_new_tokens=new_tokens, seed=seed)
    return [Request(ids, params, i) for i, ids in enumerate(random_ids(count, 2, 20, seed))]


async def collect(loop: EngineLoop, asked: list[Request]) -> list[Generation]:
    finished: dict[int, Generation] = {}
    async with aclosing(loop.events(asked, SERIES)) as events:
        async for index, event in events:
            if event.generation:
                finished[index] = event.generation
    return [finished[i] for i in range(len(asked))]


def ids(generations: list[Generation]) -> list[list[int]]:
    return [generation.response_ids for generation in generations]


async def test_requests_that_meet_in_the_engine_get_their_own_answers(loop, engine) -> None:
    asked = [requests(5, seed=seed) for seed in range(3)]
    together = await asyncio.gather(*(collect(loop, of_one) for of_one in asked))
    alone = [engine.fresh().generate(of_one) for of_one in asked]
    assert [ids(one) for one in together] == [ids(one) for one in alone]


async def test_a_request_that_leaves_frees_its_slots_for_those_that_wait(loop) -> None:
    long = asyncio.create_task(collect(loop, requests(4, new_tokens=200)))
    await asyncio.sleep(0.05)
    short = asyncio.create_task(collect(loop, requests(2, seed=1)))
    await asyncio.sleep(0.05)
    assert not short.done(), "all slots are taken"
    long.cancel()
    assert len(await asyncio.wait_for(short, 2.0)) == 2
    with pytest.raises(asyncio.CancelledError):
        await long
    assert (loop._engine.num_running, loop._engine.num_waiting) == (0, 0)


async def test_a_step_that_fails_fails_whoever_is_in_it_and_no_later_request(loop, monkeypatch) -> None:
    def broken(engine: Engine) -> None:
        raise RuntimeError("a broken step")

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "step", broken)
        with pytest.raises(RuntimeError, match="a broken step"):
            await collect(loop, requests(3))
    assert len(await asyncio.wait_for(collect(loop, requests(3)), 5.0)) == 3


async def test_lone_requests_take_turns_with_the_others_on_the_same_weights(loop, engine) -> None:
    asked = requests(6)
    lone, shared = await asyncio.gather(collect(loop.alone(), asked), collect(loop, requests(4, seed=2)))
    assert lone == engine.generate(asked, static=True)
    assert len(shared) == 4
