"""However one of two processes ends, both do, and rank 0 says why."""

from pathlib import Path

import psutil
import pytest

from services.trainer import specs
from services.trainer.attempts import Attempt, Base, Status
from services.trainer.recipes import Optimization, RunSpec, SftSpec
from tests.conftest import wait_until
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, demonstrations
from tests.unit.trainer.worker.torchrun import torchrun

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def attempt(world: SmallWorld) -> Attempt:
    """A run of thousands of steps."""
    base = str(world.publish("base", small_world.policy()))
    optimization = Optimization(batch_size=4, epochs=1000, checkpoint_every=1000)
    specs.write_spec(
        world.store, world.run_id, RunSpec("mine", SftSpec(base, world.put("demos", demonstrations(8)), optimization))
    )
    first = Attempt(world.store, world.run_id, 1)
    first.write_base(Base())
    return first


def status(attempt: Attempt) -> Status:
    return attempt.status() or Status("")


def test_a_rank_that_fails_is_quoted(world: SmallWorld, attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK_1", "raises")
    with torchrun(world, 1, module="tests.unit.trainer.worker.failing_rank") as worker:
        assert worker.wait(500) == 1
    assert status(attempt).state == "failed"
    assert "rank 1: ValueError: a defect of one rank" in status(attempt).error
    assert [step.step for step in attempt.steps("sft")] == [1, 2]
    printed = log(world)
    assert "rank 0 services.trainer.worker" in printed
    assert "rank 1 services.trainer.worker" in printed


@pytest.mark.full
def test_a_rank_that_is_killed_is_a_crash_and_no_failure(
    world: SmallWorld, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another attempt may get through."""
    monkeypatch.setenv("RANK_1", "is killed")
    with torchrun(world, 1, module="tests.unit.trainer.worker.failing_rank") as worker:
        assert worker.wait(500) == 1
    assert status(attempt).state == "stopped"
    assert "another process of this attempt ended without a word" in status(attempt).error
    assert "SIGKILL" in log(world)


@pytest.mark.full
def test_sigterm_stops_all_at_one_step(world: SmallWorld, attempt: Attempt) -> None:
    with torchrun(world, 1) as worker:
        wait_until(lambda: status(attempt).step > 0 or bool(list(attempt.steps("sft"))), seconds=300)
        ranks = psutil.Process(worker.pid).children()
        worker.terminate()
        worker.wait(60)
    assert len(ranks) == 2
    assert not any(rank.is_running() for rank in ranks)
    assert (status(attempt).state, world.models.names()) == ("stopped", ["base"])
    assert "SIGTERM" in status(attempt).error
    assert log(world).count("stopped: asked to stop by SIGTERM") == 2


def log(world: SmallWorld) -> str:
    return Path(world.folder / "1" / "log.txt").read_text()
