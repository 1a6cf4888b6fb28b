import pytest

from services.trainer import attempts
from services.trainer.recipes import EvaluateSpec, RunSpec
from services.trainer.worker import evaluate
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.direct_collector import DirectCollector
from tests.unit.trainer.worker.small_world import SmallWorld, prompts


def test_every_sample_is_kept_to_read(world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "PROMPTS_AT_ONCE", 8)
    policy = str(world.publish("p", small_world.policy()))
    spec = EvaluateSpec(policy, world.put("prompts", prompts(20)), samples_per_prompt=2, max_new_tokens=5)
    outcome = world.train(spec)
    assert (outcome.model, outcome.version) == ("", "")
    assert outcome.metrics["responses"] == 40
    assert {"score", "kl"}.isdisjoint(outcome.metrics), "nobody was asked for these"
    parts = [
        attempts.read_json(world.store, f"runs/run-1/attempts/1/rollouts/evaluate/{part:08d}.json") for part in range(3)
    ]
    kept = [(r["prompt"], r["sample"]) for part in parts for r in part["rollouts"]]
    assert kept == [(prompt, sample) for prompt in range(20) for sample in range(2)]


def test_kl_is_that_of_the_two_models(world: SmallWorld) -> None:
    """Another random model as reference: the mean of log-ratios over the samples, from plain numbers."""
    policy, reference = (str(world.publish(n, small_world.policy(seed))) for n, seed in (("p", 0), ("q", 5)))
    data = world.put("prompts", prompts(30))
    outcome = world.train(EvaluateSpec(policy, data, reference, max_new_tokens=5))
    rollouts = attempts.read_json(world.store, "runs/run-1/attempts/1/rollouts/evaluate/00000000.json")["rollouts"]
    sums = [sum(r["log_probs"]) - sum(r["reference_log_probs"]) for r in rollouts]
    assert outcome.metrics["kl"] == pytest.approx(sum(sums) / 30)
    assert outcome.metrics["kl"] > 0.05


def test_prompts_that_leave_no_room_are_counted(world: SmallWorld) -> None:
    policy = str(world.publish("p", small_world.policy()))
    outcome = world.train(EvaluateSpec(policy, world.put("prompts", prompts(20)), max_new_tokens=59))
    assert outcome.metrics["left_out_long"] > 0
    assert outcome.metrics["responses"] == 20 - outcome.metrics["left_out_long"]


def test_the_collector_counts_what_the_ledger_holds(world: SmallWorld) -> None:
    policy = str(world.publish("p", small_world.policy()))
    collector = DirectCollector(world.models)
    spec = EvaluateSpec(policy, world.put("prompts", prompts(10)), policy, max_new_tokens=4)
    world.run(RunSpec("e", spec), collector=collector)
    ledger = attempts.read_json(world.store, "runs/run-1/attempts/1/rollouts/evaluate/00000000.json")
    assert ledger["calls"] == collector.calls == {"Generate": 1, "LogProbs": 1}
    assert ledger["items"] == {"Generate": 10, "LogProbs": 10}
