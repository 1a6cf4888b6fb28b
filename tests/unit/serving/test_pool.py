"""The pool with loads that a test can hold back: when what is in memory, and who waits for whom."""

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.runtime.errors import Conflict, InvalidInput, NotFound, NotReady, Problem
from services.serving import pool as pool_module
from services.serving.pool import ModelPool
from services.serving.resident import ModelState
from services.storage.location import open_store
from services.storage.models import ModelStore

WEIGHTS = b"w" * 1000


@dataclass
class Weights:
    text: str
    memory_bytes: int = len(WEIGHTS)


@dataclass
class Loads:
    """Loads files; `gate` holds them back."""

    loaded: list[str] = field(default_factory=list)
    swapped: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    errors: list[Exception] = field(default_factory=list)

    def load(self, folder: Path) -> Weights:
        self.gate.wait(10)
        if self.errors:
            raise self.errors.pop()
        self.loaded.append((folder / "name").read_text())
        return Weights(self.loaded[-1])

    def swap(self, weights: Weights, folder: Path) -> Weights:
        self.gate.wait(10)
        self.swapped.append((folder / "name").read_text())
        weights.text = self.swapped[-1]
        return weights


@pytest.fixture
def models(tmp_path) -> ModelStore:
    return ModelStore(open_store(str(tmp_path / "store")), tmp_path / "cache")


@pytest.fixture
def loads() -> Loads:
    loads = Loads()
    loads.gate.set()
    return loads


def make_pool(models: ModelStore, loads: Loads, copies: int = 4, wait: float = 5.0) -> ModelPool[Weights]:
    sizes = {"needed_bytes": needed, "memory_bytes": copies * len(WEIGHTS)}
    return ModelPool(models, loads.load, swap=loads.swap, load_wait_seconds=wait, **sizes)


def needed(folder: Path) -> int:
    return (folder / "model.safetensors").stat().st_size


def publish(models: ModelStore, tmp_path: Path, name: str, step: int = 1) -> str:
    """The version id."""
    folder = tmp_path / f"{name}-{step}"
    folder.mkdir()
    (folder / "name").write_text(f"{name}-{step}")
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return models.publish(name, folder, attempt=1, step=step).version


def in_memory(pool: ModelPool[Weights]) -> list[str]:
    return [f"{r.version.model} {r.state.value}" for r in pool.residents()]


async def test_a_model_loads_once_for_requests_that_ask_together(models, loads, tmp_path) -> None:
    publish(models, tmp_path, "a")
    pool = make_pool(models, loads)

    async def use() -> str:
        async with pool.acquire("a") as resident:
            return resident.model.text

    assert await asyncio.gather(use(), use(), use()) == ["a-1"] * 3
    assert loads.loaded == ["a-1"]


async def test_a_slow_load_asks_the_caller_to_retry_and_goes_on(models, loads, tmp_path) -> None:
    publish(models, tmp_path, "a")
    loads.gate.clear()
    pool = make_pool(models, loads, wait=0.05)
    with pytest.raises(NotReady, match="still loading") as refused:
        async with pool.acquire("a"):
            pass
    assert refused.value.retry_after > 0
    assert in_memory(pool) == ["a loading"]
    loads.gate.set()
    await pool.residents()[0].settled.wait()
    async with pool.acquire("a") as resident:
        assert resident.model.text == "a-1"


async def test_the_least_recently_used_goes_and_never_one_in_use(models, loads, tmp_path) -> None:
    for name in "abc":
        publish(models, tmp_path, name)
    pool = make_pool(models, loads, copies=2, wait=0.3)
    async with pool.acquire("a"):
        async with pool.acquire("b"):
            pass
        async with pool.acquire("c"):  # b was used later than a, but a is in use
            assert in_memory(pool) == ["a ready", "c ready"]
            with pytest.raises(NotReady):  # both are in use now
                async with pool.acquire("b"):
                    pass
    async with pool.acquire("b") as resident:  # the wait for room went on, and ended with the leases
        assert resident.model.text == "b-1"
    assert len(pool.residents()) == 2


async def test_a_model_larger_than_the_budget_says_so(models, loads, tmp_path) -> None:
    publish(models, tmp_path, "a")
    pool = ModelPool(models, loads.load, needed_bytes=needed, memory_bytes=999)
    with pytest.raises(Conflict, match="1000 bytes, the memory budget is 999"):
        async with pool.acquire("a"):
            pass


async def test_a_failed_load_tells_why_and_is_tried_again_later(models, loads, tmp_path, monkeypatch) -> None:
    publish(models, tmp_path, "a")
    loads.errors = [InvalidInput(Problem("model", "a with name", "weights as *.safetensors"))]
    pool = make_pool(models, loads)
    for _ in range(2):
        with pytest.raises(InvalidInput, match=r"weights as \*\.safetensors"):
            async with pool.acquire("a"):
                pass
    assert in_memory(pool) == ["a failed"]
    assert loads.loaded == []
    monkeypatch.setattr(pool_module, "RETRY_FAILED_SECONDS", -1.0)
    async with pool.acquire("a") as resident:
        assert resident.state is ModelState.READY


async def test_the_next_training_version_waits_for_requests_then_takes_the_memory_over(models, loads, tmp_path) -> None:
    first, second = (publish(models, tmp_path, "run", step) for step in (1, 2))
    pool = make_pool(models, loads, copies=1)

    async def use(version: str) -> str:
        async with pool.acquire("run", [version]) as resident:
            return resident.model.text

    async with pool.acquire("run", [first]) as held:
        weights = held.model
        later = asyncio.create_task(use(second))
        await asyncio.sleep(0.1)
        assert not later.done()
        assert weights.text == "run-1", "a lease keeps its version"
    assert await later == "run-2"
    assert (loads.loaded, loads.swapped) == (["run-1"], ["run-2"])
    async with pool.acquire("run", [second]) as resident:
        assert resident.model is weights, "one copy in memory"


async def test_requests_for_alternating_versions_are_answered_in_turn(models, loads, tmp_path) -> None:
    ids = [publish(models, tmp_path, "run", step) for step in (1, 2)]
    pool = make_pool(models, loads, copies=1)

    async def use(step: int) -> str:
        async with pool.acquire("run", [ids[step - 1]]) as resident:
            await asyncio.sleep(0.01)
            return resident.model.text

    order = [1, 2, 1, 1, 2]
    assert await asyncio.gather(*(use(step) for step in order)) == [f"run-{step}" for step in order]


async def test_the_first_acceptable_version_in_memory_answers_before_one_is_fetched(models, loads, tmp_path) -> None:
    first, second = (publish(models, tmp_path, "run", step) for step in (1, 2))
    pool = make_pool(models, loads)
    async with pool.acquire("run", [first]):
        pass
    async with pool.acquire("run", [second, first]) as resident:
        assert resident.version.version == first
    async with pool.acquire("run", [second]) as resident:
        assert resident.version.version == second


async def test_a_promoted_version_is_not_swapped_by_training(models, loads, tmp_path) -> None:
    first, second = (publish(models, tmp_path, "run", step) for step in (1, 2))
    models.promote(f"run@{first}", "policy/default")
    pool = make_pool(models, loads)
    async with pool.acquire("policy/default"):
        pass
    async with pool.acquire("run", [second]):
        pass
    async with pool.acquire("policy/default") as resident:
        assert resident.model.text == "run-1"
    assert loads.swapped == []
    assert len(pool.residents()) == 2


async def test_acceptable_versions_go_with_a_plain_name(models, loads, tmp_path) -> None:
    pool = make_pool(models, loads)
    with pytest.raises(InvalidInput, match="model: got run@1, expected a plain name"):
        async with pool.acquire("run@1", ["1"]):
            pass
    with pytest.raises(NotFound, match="nothing"):
        async with pool.acquire("nothing", ["1.0-00000000"]):
            pass


async def test_unload_frees_memory_once_the_last_request_is_answered(models, loads, tmp_path) -> None:
    publish(models, tmp_path, "a")
    pool = make_pool(models, loads)
    async with pool.acquire("a") as resident:
        await pool.unload("a")
        assert resident.model.text == "a-1"
        assert pool.residents() == []
    with pytest.raises(NotFound, match="loaded model"):
        await pool.unload("a")
