"""An attempt that stands still between its last check and the write of its result, while another finishes the run."""

from typing import Any

import pytest

from services.storage.models import ModelStore, Version
from services.trainer import attempts, specs
from services.trainer.attempts import Attempt
from services.trainer.recipes import Optimization, RunSpec, SftSpec
from services.trainer.records import RunRecord, RunState, Transition, write_record
from services.trainer.runs import Runs
from services.trainer.worker.attempt import Stopped
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, demonstrations


def test_the_late_result_is_nobodys_model(world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    base = str(world.publish("base", small_world.policy()))
    stage = SftSpec(base, world.put("demos", demonstrations(32)), Optimization(batch_size=16, checkpoint_every=100))
    spec = RunSpec("mine", stage)
    specs.write_spec(world.store, world.run_id, spec)
    original = ModelStore.publish
    late: list[Version] = []

    def paused(self: ModelStore, *args: Any, **origin: Any) -> Version:
        monkeypatch.setattr(ModelStore, "publish", original)
        take_over(world, spec)
        late.append(self.publish(*args, **origin))
        return late[0]

    monkeypatch.setattr(ModelStore, "publish", paused)
    with pytest.raises(Stopped, match="superseded by attempt 2"):
        world.run(spec)
    accepted = Attempt(world.store, world.run_id, 2).outcome("sft")
    assert accepted
    assert late[0].created_at > world.models.version("mine", accepted.version).created_at
    assert world.models.versions("mine") == [], "until the control plane has seen who made it"
    Runs(world.store, world.models).load()
    assert [str(version) for version in world.models.versions("mine")] == [f"mine@{accepted.version}"]
    assert world.models.resolve("mine").version == accepted.version
    assert Attempt(world.store, world.run_id, 1).outcome("sft") is None


def take_over(world: SmallWorld, spec: RunSpec) -> None:
    """The control plane took attempt 1 for dead, and attempt 2 goes from beginning to end."""
    record = RunRecord(world.run_id, "", 0.0, (Transition(2, RunState.RUNNING, "", 1.0),))
    write_record(world.store, record)
    world.run(spec, number=2)
    assert attempts.read_json(world.store, attempts.record_key(world.run_id))["attempt"] == 2
