import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from services.data.records import Comparison, Demonstration, Record
from services.runtime.errors import Conflict
from services.storage.models import Version
from services.trainer.attempts import Attempt, StageOutcome, Step
from services.trainer.recipes import EvaluateSpec, Optimization, PpoSpec, RewardModelSpec, RunSpec, SftSpec
from services.trainer.worker.collector import Prompt, RewardRole
from services.trainer.worker.experience import Rollout, Score
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.direct_collector import DirectCollector
from tests.unit.trainer.worker.small_world import SmallWorld, prompts, questions

FAST = Optimization(learning_rate=3e-3, checkpoint_every=100)


@dataclass
class Trained:
    """Answers are "w5 w0" or "w5 w1", half and half; the reward model knows that w0 is better."""

    world: SmallWorld
    sft: str
    reward: str
    prompts: str

    def spec(self, **more: object) -> PpoSpec:
        values: dict[str, object] = {"steps": 3, "prompts_per_step": 8, "max_new_tokens": 6, "optimization": FAST}
        return PpoSpec(self.sft, self.reward, self.prompts, **(values | more))  # type: ignore[arg-type]

    def run(
        self, spec: PpoSpec, run_id: str, collector: DirectCollector | None = None, deterministic: bool = True
    ) -> StageOutcome:
        world = SmallWorld(self.world.folder, run_id)
        (outcome,) = world.run(RunSpec(run_id, spec, deterministic=deterministic), collector=collector).values()
        return outcome

    def steps(self, run_id: str) -> list[Step]:
        return list(Attempt(self.world.store, run_id, 1).steps("ppo"))


def coin(count: int) -> list[Record]:
    draw = random.Random(0)
    return [Demonstration(prompt, f"w5 {draw.choice(['w0', 'w1'])}") for prompt in questions(count)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    world = SmallWorld(tmp_path_factory.mktemp("ppo"))
    base = str(world.publish("base", small_world.policy()))
    learning = Optimization(learning_rate=1e-2, epochs=4)
    pairs: list[Record] = [Comparison(prompt, "w5 w0", "w5 w1") for prompt in questions(100)]
    sft = SmallWorld(world.folder, "sft").train(SftSpec(base, world.put("demos", coin(160)), learning), "sft")
    spec = RewardModelSpec(f"sft@{sft.version}", world.put("pairs", pairs), optimization=learning)
    reward = SmallWorld(world.folder, "rm").train(spec, "rm")
    asked = world.put("prompts", prompts(60))
    return Trained(world, f"sft@{sft.version}", f"rm@{reward.version}", asked)


def test_reward_rises_and_the_better_answer_wins(trained: Trained) -> None:
    outcome = trained.run(trained.spec(steps=12, prompts_per_step=16), "rises")
    steps = trained.steps("rises")
    assert [step.step for step in steps] == list(range(1, 13))
    rewards = [step.metrics["objective"] for step in steps]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.5
    spec = EvaluateSpec(f"rises@{outcome.version}", trained.prompts, trained.sft, trained.reward, max_new_tokens=6)
    judged = SmallWorld(trained.world.folder, "judge").train(spec)
    before = SmallWorld(trained.world.folder, "before").train(replace(spec, policy_model=trained.sft))
    assert judged.metrics["score"] > before.metrics["score"] + 0.5
    assert before.metrics["kl"] == pytest.approx(0, abs=1e-4)
    assert judged.metrics["kl"] > 0.1


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_at_step_zero_policy_reference_and_generator_are_one(trained: Trained, temperature: float) -> None:
    run_id = f"zero-{temperature}"
    trained.run(trained.spec(steps=2, temperature=temperature), run_id)
    first, second = trained.steps(run_id)
    assert first.metrics["kl"] == pytest.approx(0, abs=1e-4)
    assert first.metrics["mismatch_max"] < 1e-4
    assert second.metrics["kl"] != pytest.approx(0, abs=1e-4)
    assert second.metrics["mismatch_max"] < 1e-4


class FlippedReward(DirectCollector):
    def score(self, reward: RewardRole, *args: object) -> list[Score]:  # type: ignore[override]
        found = super().score(reward, *args)  # type: ignore[arg-type]
        return [Score(-s.normalized, s.raw) for s in found if s.normalized is not None]


def test_with_the_sign_flipped_the_true_reward_falls(trained: Trained) -> None:
    trained.run(trained.spec(steps=12, prompts_per_step=16), "flipped", FlippedReward(trained.world.models))
    true = [-step.metrics["reward"] for step in trained.steps("flipped")]
    assert sum(true[-3:]) / 3 < sum(true[:3]) / 3 - 0.3


class ShiftedReference(DirectCollector):
    """From the second step on: at the first one the shift is found and refused."""

    def reference_log_probs(self, *args: object) -> list[list[float]]:  # type: ignore[override]
        shift = 0.1 if self.calls["LogProbs"] else 0.0
        return [[value - shift for value in row] for row in super().reference_log_probs(*args)]  # type: ignore[arg-type]


def test_a_reference_shifted_by_a_tenth_shifts_the_kl_by_a_tenth_per_token(trained: Trained) -> None:
    spec = trained.spec(steps=2, kl_coefficient=0.0)  # the penalty does not steer, so that both runs are the same
    trained.run(spec, "plain")
    trained.run(spec, "shifted", ShiftedReference(trained.world.models))
    plain, shifted = trained.steps("plain")[1].metrics, trained.steps("shifted")[1].metrics
    assert shifted["kl_per_token"] - plain["kl_per_token"] == pytest.approx(0.1, abs=1e-5)
    assert shifted["reward"] == plain["reward"]


class FailingScores(DirectCollector):
    """Every third score fails."""

    every = 3

    def score(self, *args: object) -> list[Score]:  # type: ignore[override]
        found = super().score(*args)  # type: ignore[arg-type]
        return [Score(None, None, "cosmic ray") if i % self.every == 0 else s for i, s in enumerate(found)]


def test_a_failed_score_drops_its_sample_and_is_counted(trained: Trained) -> None:
    outcome = trained.run(trained.spec(steps=2), "failing", FailingScores(trained.world.models))
    metrics = trained.steps("failing")[0].metrics
    assert (metrics["samples"], metrics["dropped_samples"]) == (16, 6)
    assert outcome.metrics["rollouts_used"] == 2 * 10


def test_a_run_without_scores_fails_and_says_why(trained: Trained) -> None:
    collector = FailingScores(trained.world.models)
    collector.every = 1
    with pytest.raises(Conflict, match="0 of 16 samples have a score, an update needs 8: cosmic ray"):
        trained.run(trained.spec(), "scoreless", collector)
    assert trained.world.models.versions("scoreless") == []


class FailsLater(DirectCollector):
    """All scores of the second step fail."""

    def score(self, *args: object) -> list[Score]:  # type: ignore[override]
        found = super().score(*args)  # type: ignore[arg-type]
        return found if self.calls["Score"] == 1 else [Score(None, None, "cosmic ray") for _ in found]


def test_a_run_that_died_of_failed_scores_asks_again_when_it_is_resumed(trained: Trained) -> None:
    spec = trained.spec(steps=2, optimization=replace(FAST, checkpoint_every=1))
    with pytest.raises(Conflict):
        trained.run(spec, "revived", FailsLater(trained.world.models))
    world = SmallWorld(trained.world.folder, "revived")
    (outcome,) = world.run(RunSpec("revived", spec, deterministic=True), number=2).values()
    assert outcome.metrics["rollouts_used"] == 2 * 16


class LosesTheLast(DirectCollector):
    def generate(self, *args: object) -> list[Rollout]:  # type: ignore[override]
        return super().generate(*args)[:-1]  # type: ignore[arg-type]


def test_a_rollout_that_does_not_come_back_is_missed(trained: Trained) -> None:
    with pytest.raises(AssertionError, match="15 rollouts, not the 16 asked for"):
        trained.run(trained.spec(steps=1), "loses", LosesTheLast(trained.world.models))


class Recorder(DirectCollector):
    """A generator that answers with the oldest version it may."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.asked: list[list[str]] = []

    def generate(self, versions: Sequence[Version], prompts: Sequence[Prompt], *args: object) -> list[Rollout]:  # type: ignore[override]
        self.asked.append([str(version) for version in versions])
        return super().generate(versions[-1:], prompts, *args)  # type: ignore[arg-type]


def test_strictly_on_policy_names_one_version_and_each_differs(trained: Trained) -> None:
    collector = Recorder(trained.world.models)
    trained.run(trained.spec(steps=4), "strict", collector)
    assert collector.asked[0] == [trained.sft]
    names = [asked for (asked,) in collector.asked]
    assert [name.split("@")[1].split("-")[0] for name in names[1:]] == ["1.1", "1.2", "1.3"]
    assert all(name.startswith("strict-ppo@") for name in names[1:])
    digests = [trained.world.models.resolve(name).digest for name in names]
    assert len(set(digests)) == 4


def test_stale_weights_within_the_bound_are_used_and_corrected_for(trained: Trained) -> None:
    collector = Recorder(trained.world.models)
    trained.run(trained.spec(steps=4, max_staleness=1), "stale", collector, deterministic=False)
    assert [len(asked) for asked in collector.asked] == [1, 1, 2, 2]
    assert collector.asked[3][1] == collector.asked[2][0]
    metrics = [step.metrics for step in trained.steps("stale")]
    assert metrics[1]["mismatch_max"] < 1e-4 < metrics[2]["mismatch_max"]


def test_a_deterministic_run_leaves_the_generator_no_choice_of_weights(trained: Trained) -> None:
    """It stays with one version for as many steps as it may."""
    collector = Recorder(trained.world.models)
    trained.run(trained.spec(steps=5, max_staleness=1), "chosen", collector)
    assert all(len(asked) == 1 for asked in collector.asked)
    made = [asked[0].split("@")[1].split("-")[0] for asked in collector.asked]
    assert made[2:] == ["1.2", "1.2", "1.4"]
    assert collector.asked[0] == collector.asked[1] == [trained.sft]
    assert [step.metrics["weights_lag"] for step in trained.steps("chosen")] == [0, 1, 0, 1, 0]


def test_the_adaptive_controller_is_carried_from_step_to_step(trained: Trained) -> None:
    trained.run(trained.spec(steps=3, kl_coefficient=0.05, kl_target=0.5), "adaptive")
    coefficients = [step.metrics["kl_coefficient"] for step in trained.steps("adaptive")]
    first = trained.steps("adaptive")[0].metrics
    expected = 0.05 * (1 - 0.2 * first["samples"] / 10_000)  # KL 0 is below the target by more than the clip
    assert coefficients[:2] == pytest.approx([0.05, expected])
    assert len(set(coefficients)) == 3


def test_training_versions_do_not_pile_up(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.worker.ppo.publisher.GRACE_SECONDS", 0.0)
    trained.run(trained.spec(steps=9), "many")
    steps = [version.metadata["step"] for version in trained.world.models.versions("many-ppo")]
    assert steps == [8, 7, 6, 5]
