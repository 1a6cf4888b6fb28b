from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.trainer import attempts
from services.trainer.attempts import Attempt, StageOutcome
from services.trainer.recipes import (
    DpoSpec,
    EvaluateSpec,
    Optimization,
    PipelineSpec,
    PpoSpec,
    RewardModelSpec,
    RunSpec,
    SftSpec,
)
from services.trainer.worker import checkpoints, supervised
from services.trainer.worker.attempt import Stopped
from services.trainer.worker.ledger import Ledger
from services.trainer.worker.pipeline import resolved
from services.trainer.worker.ppo.publisher import WeightPublisher
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.direct_collector import DirectCollector
from tests.unit.trainer.worker.faults import Killed, kill_at
from tests.unit.trainer.worker.small_world import SmallWorld, comparisons, demonstrations, prompts

OFTEN = Optimization(learning_rate=1e-3, batch_size=16, checkpoint_every=2)


def whole_road(world: SmallWorld) -> RunSpec:
    """6 steps of SFT, 4 of the reward model, 5 of PPO, 4 of DPO, and an evaluation."""
    base = str(world.publish("base", small_world.policy()))
    pairs, asked = world.put("pairs", comparisons(64)), world.put("prompts", prompts(40))
    ppo = PpoSpec("stage:sft", "stage:rm", asked, steps=5, prompts_per_step=8, max_new_tokens=6, optimization=OFTEN)
    stages = (
        ("sft", SftSpec(base, world.put("demos", demonstrations(96)), OFTEN)),
        ("rm", RewardModelSpec("stage:sft", pairs, optimization=OFTEN)),
        ("ppo", ppo),
        ("dpo", DpoSpec("stage:sft", pairs, optimization=OFTEN)),
        ("eval", EvaluateSpec("stage:ppo", asked, "stage:sft", "stage:rm", max_new_tokens=6)),
    )
    return RunSpec("mine", PipelineSpec(stages), seed=3, deterministic=True)


def essence(outcomes: dict[str, StageOutcome]) -> dict[str, Any]:
    """What must be equal: the bytes of every result, and what was measured of it."""
    return {name: (outcome.digest, outcome.metrics) for name, outcome in outcomes.items()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    world = SmallWorld(tmp_path_factory.mktemp("uninterrupted"))
    return essence(world.run(whole_road(world)))


def test_two_uninterrupted_runs_are_bit_equal(world: SmallWorld, uninterrupted: dict[str, Any]) -> None:
    outcomes = world.run(whole_road(world))
    assert essence(outcomes) == uninterrupted
    assert [outcome.model for outcome in outcomes.values()] == ["mine-sft", "mine-rm", "mine-ppo", "mine-dpo", ""]
    digests = [outcome.digest for outcome in outcomes.values() if outcome.digest]
    assert len(set(digests)) == 4


KILLS = [
    pytest.param(checkpoints, "publish", 2, True, id="in SFT, its second checkpoint is there"),
    pytest.param(supervised, "_step", 10, False, id="in the reward model"),
    pytest.param(Ledger, "record", 1, True, id="in PPO's first step, rollouts are persisted"),
    pytest.param(Ledger, "record", 4, True, id="in PPO's fourth step, rollouts are persisted"),
    pytest.param(WeightPublisher, "publish", 2, False, id="in PPO between checkpoint and publishing"),
    pytest.param(WeightPublisher, "publish", 2, True, id="in PPO after publishing"),
    pytest.param(Attempt, "write_outcome", 3, False, id="between PPO's result and its record"),
    pytest.param(supervised, "_step", 13, False, id="in DPO"),
    pytest.param(Ledger, "record", 6, True, id="in the evaluation"),
]


@pytest.mark.parametrize(("owner", "name", "call", "after"), KILLS)
def test_a_resumed_run_equals_the_uninterrupted_one(
    world: SmallWorld, uninterrupted: dict[str, Any], owner: Any, name: str, call: int, after: bool
) -> None:
    spec = whole_road(world)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, owner, name, call, after)
        with pytest.raises(Killed):
            world.run(spec)
    outcomes = world.run(spec, number=2)
    assert essence(outcomes) == uninterrupted
    recorded = attempts.outcomes(world.store, "run-1", 2, list(outcomes))
    assert essence(recorded) == uninterrupted


def test_a_run_that_dies_again_and_again_still_arrives(world: SmallWorld, uninterrupted: dict[str, Any]) -> None:
    """Each attempt gets two checkpoints further."""
    spec = whole_road(world)
    number = 1
    while True:
        assert number < 12
        try:
            with pytest.MonkeyPatch.context() as patch:
                kill_at(patch, checkpoints, "publish", 3)
                outcomes = world.run(spec, number)
            break
        except Killed:
            number += 1
    assert number > 2
    assert essence(outcomes) == uninterrupted


def test_persisted_rollouts_are_used_instead_of_new_ones(world: SmallWorld) -> None:
    """Also without `deterministic`, where asking again would give others."""
    spec = replace(whole_road(world), deterministic=False)
    first, second = DirectCollector(world.models), DirectCollector(world.models)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, Ledger, "record", 4, after=True)
        with pytest.raises(Killed):
            world.run(spec, collector=first)
    assert first.calls["Generate"] == 4
    world.run(spec, number=2, collector=second)
    # From the checkpoint after step 2: step 3 is replayed, and step 4 too, as redoing step 3 gave the same bytes.
    assert second.calls["Generate"] == 2, "step 5 and the evaluation"
    ledgers = [
        attempts.read_json(world.store, f"runs/run-1/attempts/2/rollouts/ppo/{step:08d}.json") for step in (2, 3)
    ]
    old = [attempts.read_json(world.store, f"runs/run-1/attempts/1/rollouts/ppo/{step:08d}.json") for step in (2, 3)]
    assert [ledger["rollouts"] for ledger in ledgers] == [ledger["rollouts"] for ledger in old]


def test_metrics_of_every_step_survive_a_crash_once(world: SmallWorld) -> None:
    spec = whole_road(world)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, checkpoints, "publish", 2, after=True)
        with pytest.raises(Killed):
            world.run(spec)
    world.run(spec, number=2)
    first, second = (Attempt(world.store, "run-1", number) for number in (1, 2))
    assert [step.step for step in first.steps("sft")] == [1, 2, 3, 4]
    assert second.base().step == 4
    assert [step.step for step in second.steps("sft")] == [5, 6]


def test_a_superseded_attempt_publishes_nothing_more(world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempt 2 takes over while attempt 1 is inside its third step; attempt 1 then goes on and must change nothing."""
    spec = whole_road(world)
    original, calls = supervised._step, 0

    def overtaken(*args: Any) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 4:
            attempts.write_json(world.store, attempts.record_key("run-1"), {"attempt": 2, "state": "running"})
        return original(*args)

    monkeypatch.setattr(supervised, "_step", overtaken)
    with pytest.raises(Stopped, match="superseded by attempt 2"):
        world.run(spec)
    first = Attempt(world.store, "run-1", 1)
    assert first.checkpoint_steps("sft") == [2]
    assert world.models.names() == ["base"]
    assert first.outcome("sft") is None


def test_a_stage_is_given_the_versions_that_earlier_ones_made() -> None:
    outcomes = {
        "sft": StageOutcome("sft", "mine-sft", "1.6-abc", "d"),
        "rm": StageOutcome("rm", "mine-rm", "1.4-x", "e"),
    }
    spec = resolved(PpoSpec("stage:sft", "stage:rm", "prompts"), outcomes)
    assert isinstance(spec, PpoSpec)
    assert (spec.policy_model, spec.reward_model, spec.prompts) == ("mine-sft@1.6-abc", "mine-rm@1.4-x", "prompts")


def test_the_work_folder_is_left_as_small_as_it_was(world: SmallWorld, tmp_path: Path) -> None:
    world.run(whole_road(world))
    assert {path.suffix for path in (tmp_path / "work").iterdir()} == {".jsonl"}
