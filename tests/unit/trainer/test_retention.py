from pathlib import Path

import pytest

from services.storage.location import open_store
from services.storage.models import ModelStore
from services.storage.object_store import ObjectStore
from services.trainer.attempts import Attempt, Base, write_json
from services.trainer.records import RunRecord, RunState, Transition
from services.trainer.retention import NEWEST_TRAINING_VERSIONS, prune_run
from tests.unit.trainer.control_planes import LLAMA, publish

STAGES = ["sft", "ppo"]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """Attempt 1 came to a checkpoint at PPO's step 20, attempt 2 went on from there to 30."""
    store = open_store(str(tmp_path / "store"))
    first, second = Attempt(store, "run-1", 1), Attempt(store, "run-1", 2)
    first.write_base(Base())
    second.write_base(Base(1, "ppo", 20))
    for attempt, stage, steps in ((first, "sft", [50]), (first, "ppo", [10, 20]), (second, "ppo", [30])):
        for step in steps:
            for name in ("policy.safetensors", "manifest.json"):
                store.put(attempt.checkpoint_prefix(stage, step) + name, b"{}")
            store.put(f"{attempt.prefix}rollouts/{stage}/{step:08d}.json", b"{}")
    store.put(f"{second.prefix}metrics/ppo/00000021-00000030.jsonl", b"")
    for _ in range(4):
        publish(tmp_path, "run-1-ppo", LLAMA)
    return store


def prune(store: ObjectStore, tmp_path: Path, state: RunState) -> list[str]:
    """What is left of the run."""
    record = RunRecord("run-1", "", 0.0, (Transition(2, state, "", 1.0),))
    prune_run(store, ModelStore(store, tmp_path / "cache"), record, STAGES, ["judge"])
    return [info.key.removeprefix("runs/run-1/attempts/") for info in store.list("runs/run-1")]


def test_a_finished_run_keeps_what_it_found_out(store: ObjectStore, tmp_path: Path) -> None:
    left = prune(store, tmp_path, RunState.SUCCEEDED)
    assert left == ["1/base.json", "2/base.json", "2/metrics/ppo/00000021-00000030.jsonl"]
    assert len(ModelStore(store, tmp_path).versions("run-1-ppo")) == NEWEST_TRAINING_VERSIONS


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
def test_a_run_that_may_be_resumed_keeps_its_last_checkpoint(
    store: ObjectStore, tmp_path: Path, state: RunState
) -> None:
    left = prune(store, tmp_path, state)
    checkpoints = [key for key in left if "checkpoints" in key]
    assert checkpoints == [
        "2/checkpoints/ppo/00000030/manifest.json",
        "2/checkpoints/ppo/00000030/policy.safetensors",
    ]
    assert [key for key in left if "rollouts" in key] == ["2/rollouts/ppo/00000030.json"]


def test_versions_that_the_last_checkpoint_names_stay(store: ObjectStore, tmp_path: Path) -> None:
    """They go on generating for the successor; see PPO's max_staleness."""
    models = ModelStore(store, tmp_path / "cache")
    oldest, newest = models.versions("run-1-ppo")[-1], models.versions("run-1-ppo")[0]
    state = {"versions": [{"version": oldest.version}]}
    write_json(store, Attempt(store, "run-1", 2).checkpoint_prefix("ppo", 30) + "state.json", state)
    prune(store, tmp_path, RunState.FAILED)
    left = {version.version for version in models.versions("run-1-ppo")}
    assert left >= {oldest.version, newest.version}
    assert len(left) == NEWEST_TRAINING_VERSIONS + 1
    prune(store, tmp_path, RunState.SUCCEEDED)
    assert oldest.version not in {version.version for version in models.versions("run-1-ppo")}


def test_pruning_twice_does_no_harm(store: ObjectStore, tmp_path: Path) -> None:
    once = prune(store, tmp_path, RunState.FAILED)
    assert prune(store, tmp_path, RunState.FAILED) == once
