from pathlib import Path

import pytest
import torch

from services.runtime.errors import DataLoss, NotFound
from services.storage import open_store
from services.trainer.attempts import Attempt
from services.trainer.worker import checkpoints
from services.trainer.worker.checkpoints import KEPT, Checkpoint

STAGE = "ppo"


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(open_store(str(tmp_path / "storage")), "run-1", 1)


def checkpoint(step: int) -> Checkpoint:
    tensors = {"policy": {"w": torch.full((2, 3), float(step))}, "value": {"w": torch.arange(4)}}
    return Checkpoint(step, tensors, {"kl_coefficient": 0.05, "step": step})


def load(attempt: Attempt, step: int, work_dir: Path) -> Checkpoint:
    return checkpoints.read(checkpoints.fetch(attempt, STAGE, step, work_dir), step)


def test_what_was_saved_comes_back_with_torchs_random_state(attempt: Attempt, tmp_path: Path) -> None:
    torch.manual_seed(5)
    checkpoints.save(attempt, STAGE, checkpoint(10), tmp_path)
    expected = torch.rand(4)
    torch.manual_seed(99)
    found = load(attempt, 10, tmp_path)
    assert torch.equal(torch.rand(4), expected)
    assert found.step == 10
    assert found.state == {"kl_coefficient": 0.05, "step": 10}
    assert torch.equal(found.tensors["policy"]["w"], torch.full((2, 3), 10.0))
    assert torch.equal(found.tensors["value"]["w"], torch.arange(4))
    assert not list(tmp_path.glob("tmp*")), "nothing is left behind in the work folder"


def test_only_the_newest_stay(attempt: Attempt, tmp_path: Path) -> None:
    for step in range(1, 6):
        checkpoints.save(attempt, STAGE, checkpoint(step), tmp_path)
    assert attempt.checkpoint_steps(STAGE) == [5 - KEPT + 1, 5]
    stored = {info.key.split("/")[-2] for info in attempt.store.list(f"{attempt.prefix}checkpoints")}
    assert stored == {"00000004", "00000005"}


@pytest.mark.parametrize("dies_at", range(5))
def test_a_writer_that_dies_at_any_object_leaves_no_checkpoint(attempt: Attempt, tmp_path: Path, dies_at: int) -> None:
    """policy, value, rng, state and manifest: with any of them missing there is nothing to see."""
    checkpoints.save(attempt, STAGE, checkpoint(1), tmp_path)
    dying = Attempt(DyingStore(attempt.store, dies_at), attempt.run_id, attempt.number)
    with pytest.raises(Died):
        checkpoints.save(dying, STAGE, checkpoint(2), tmp_path)
    assert attempt.checkpoint_steps(STAGE) == [1]
    with pytest.raises(NotFound):
        load(attempt, 2, tmp_path)


def test_a_changed_byte_is_noticed(attempt: Attempt, tmp_path: Path) -> None:
    checkpoints.save(attempt, STAGE, checkpoint(1), tmp_path)
    key = f"{attempt.checkpoint_prefix(STAGE, 1)}policy.safetensors"
    data = bytearray(attempt.store.get(key))
    data[-1] ^= 1
    attempt.store.put(key, bytes(data))
    with pytest.raises(DataLoss, match="policy"):
        load(attempt, 1, tmp_path)


class Died(Exception):
    pass


class DyingStore:
    """Lets `writes` objects through, then dies."""

    def __init__(self, store: object, writes: int) -> None:
        self._store, self._writes = store, writes

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes) -> None:
        self._spend()
        self._store.put(key, data)  # type: ignore[attr-defined]

    def put_file(self, key: str, source: Path) -> None:
        self._spend()
        self._store.put_file(key, source)  # type: ignore[attr-defined]

    def _spend(self) -> None:
        if self._writes == 0:
            raise Died
        self._writes -= 1
