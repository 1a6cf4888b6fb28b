from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.storage.models import Version
from services.trainer.attempts import Attempt, Base
from services.trainer.worker import context
from services.trainer.worker.attempt import LiveAttempt
from services.trainer.worker.context import StageContext
from services.trainer.worker.ppo import publisher
from services.trainer.worker.ppo.publisher import KEPT_VERSIONS, WeightPublisher
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.ppo.rollouts_of import rollouts_of
from tests.unit.trainer.worker.small_world import SmallWorld

BYTES = 1000


@pytest.fixture
def weights(world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> WeightPublisher:
    """Of a run whose versions are a file each: 500 real models would take a while."""
    written = iter(range(10_000))

    def save(model: Any, tokenizer: Any, folder: Path, weights: None) -> None:
        (folder / "model.safetensors").write_bytes(next(written).to_bytes(BYTES))

    monkeypatch.setattr(context, "save", save)
    objects = Attempt(world.store, world.run_id, 1)
    objects.write_base(Base())
    bench = world.bench(LiveAttempt(objects))
    stage = StageContext(**vars(bench), stage="ppo", result_name="mine", seed=0, deterministic=False)
    start = world.publish("base", small_world.policy())
    return WeightPublisher(stage, small_world.policy(), small_world.tokenizer(), 2, [start])


def stored(world: SmallWorld) -> int:
    return sum(info.size for info in world.store.list("models/run-1-ppo/") if info.key.endswith(".safetensors"))


def test_500_steps_leave_the_room_of_a_few(
    world: SmallWorld, weights: WeightPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "GRACE_SECONDS", 0.0)
    for step in range(1, 501):
        weights.publish(step)
        assert stored(world) <= KEPT_VERSIONS * BYTES
    assert [version.version.split("-")[0] for version in weights.acceptable] == ["1.500", "1.499", "1.498"]
    for version in weights.acceptable:
        assert world.models.fetch(version).exists()
    assert world.models.versions("base"), "what the run did not publish is not the run's to delete"


def test_versions_that_a_replica_may_be_fetching_stay(world: SmallWorld, weights: WeightPublisher) -> None:
    made: list[Version] = [weights.publish(step) for step in range(1, 11)]
    assert {version.version for version in world.models.versions("run-1-ppo")} == {version.version for version in made}


def test_versions_that_a_checkpoint_names_stay_until_it_goes(
    world: SmallWorld, weights: WeightPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resume from it generates with them, however far the attempt had come before it died."""
    monkeypatch.setattr(publisher, "GRACE_SECONDS", 0.0)

    def steps() -> list[int]:
        return sorted(version.metadata["step"] for version in world.models.versions("run-1-ppo"))

    for step in range(1, 31):
        if step in (4, 11, 21):  # after the update, before it is published
            weights.state()
        weights.publish(step)
        if step == 20:
            assert steps() == [2, 3, 9, 10, 17, 18, 19, 20]
    assert steps() == [9, 10, 19, 20, 27, 28, 29, 30], "two checkpoints are kept"


def test_the_lag_is_how_many_steps_older_the_generating_weights_are(weights: WeightPublisher) -> None:
    for step in range(1, 4):
        weights.publish(step)
    (rollout,) = rollouts_of(weights.model, count=1)
    newest, _, oldest = weights.acceptable
    assert weights.lag([replace(rollout, digest=newest.digest)]) == 0
    assert weights.lag([replace(rollout, digest=v.digest) for v in (newest, oldest, oldest, newest)]) == 1
