"""A small PPO run through the real services, held against what nobody in it could have made up."""

import json
import math
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import rlhf
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from services.local import Services
from services.quickstart.judging import answer
from services.runtime.channels import open_channel
from services.simulator.base_model import WEIGHTS
from services.simulator.evaluation import effect
from services.simulator.splits import cases, spread
from services.simulator.world import load_world
from services.storage.datasets import DatasetStore
from services.storage.models import ModelStore
from services.storage.object_store import ObjectStore
from services.trainer.attempts import Attempt, Step
from services.trainer.recipes import PpoSpec, RunSpec
from services.trainer.worker import pipeline
from services.trainer.worker.attempt import LiveAttempt
from services.trainer.worker.context import Workbench
from services.trainer.worker.rollouts import Channels, ServiceCollector
from tests.e2e.small_road import EXAMPLES, SAMPLES, SEED, STEPS, SmallRoad

pytestmark = pytest.mark.timeout(900)

METHODS = {"Generate": "PolicyService", "Score": "RewardService", "LogProbs": "ReferenceService"}
ITEMS = {
    "Generate": "rlhf_policy_samples_total",
    "Score": "rlhf_reward_items_total",
    "LogProbs": "rlhf_reference_sequences_total",
}
SHIFT = 0.1  # nats per token


def total(road: SmallRoad, metric: str, **labels: str) -> float:
    """Of a counter's samples that have these labels."""
    return sum(
        grown for (name, own), grown in road.counted.items() if name == metric and labels.items() <= dict(own).items()
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_services_counted_what_the_ledger_says(road: SmallRoad, method: str) -> None:
    rpc = {"grpc_service": f"rlhf.v1.{METHODS[method]}", "grpc_method": method}
    last = road.ledger[-1]
    answered = total(road, "grpc_server_handled_total", **rpc, grpc_code="OK")
    assert answered == last["calls"][method] == STEPS
    assert total(road, "grpc_server_started_total", **rpc) == total(road, "grpc_server_handled_total", **rpc)
    assert total(road, ITEMS[method]) == last["items"][method] == len(road.rollouts()) == STEPS * SAMPLES


def test_each_version_answered_for_its_own_step_alone(road: SmallRoad) -> None:
    made = Counter(rollout["version"].partition("@")[0] for rollout in road.rollouts())
    assert made == {road.model("sft").model: SAMPLES, f"{road.run.id}-ppo": (STEPS - 1) * SAMPLES}
    assert {name: total(road, ITEMS["Generate"], model_name=name) for name in made} == made


def test_plain_transformers_finds_the_recorded_log_probs(road: SmallRoad) -> None:
    """In the weights that each version's name brings home."""
    for step in range(STEPS):
        (version,) = {rollout["version"] for rollout in road.rollouts(step)}
        model = road.plain_causal(version)
        for rollout in road.rollouts(step):
            assert rollout["log_probs"] == pytest.approx(plain_log_probs(model, rollout), abs=1e-4)
    other = plain_log_probs(road.plain_causal(road.base), rollout)
    assert rollout["log_probs"] != pytest.approx(other, abs=1e-2), "else the weights would make no difference"


def plain_log_probs(model: PreTrainedModel, rollout: dict[str, Any]) -> list[float]:
    ids_T = torch.tensor(rollout["prompt_ids"] + rollout["response_ids"])
    with torch.no_grad():
        logprobs_TV = model(ids_T[None]).logits[0, :-1].log_softmax(-1)
    return logprobs_TV.gather(1, ids_T[1:, None])[len(rollout["prompt_ids"]) - 1 :, 0].tolist()


def test_plain_transformers_finds_the_recorded_scores(road: SmallRoad) -> None:
    judge = road.plain_reward(road.model("judge"))
    for rollout in road.rollouts():
        with torch.no_grad():
            logit = judge(torch.tensor([rollout["prompt_ids"] + rollout["response_ids"]])).logits.item()
        assert rollout["raw_score"] == pytest.approx(logit, abs=1e-4)
        assert rollout["score"] == pytest.approx(logit - judge.config.reward_offset, abs=1e-4)
    assert len({rollout["raw_score"] for rollout in road.rollouts()}) > SAMPLES


def test_the_weights_change_from_step_to_step(road: SmallRoad) -> None:
    digests = [rollout["digest"] for step in range(STEPS) for rollout in road.rollouts(step)[:1]]
    digests += [road.model("sft").digest, road.model("ppo").digest, road.base.digest]
    assert digests[0] == road.model("sft").digest
    assert len(set(digests)) == STEPS + 2
    for version, digest in {(rollout["version"], rollout["digest"]) for rollout in road.rollouts()}:
        listed = road.client.models.list(version.partition("@")[0])
        assert digest in [model.digest for model in listed if str(model) == version]


def test_every_rollout_is_used_once_and_on_policy(road: SmallRoad) -> None:
    assert [entry["step"] for entry in road.ledger] == list(range(STEPS))
    for step in range(STEPS):
        rollouts = road.rollouts(step)
        places = {(rollout["place"], rollout["sample"]) for rollout in rollouts}
        assert places == {(place, sample) for place in range(SAMPLES // 2) for sample in range(2)}
        # max_staleness is 0: step k learns from what was published after k updates, and from nothing else.
        (version,) = {rollout["version"] for rollout in rollouts}
        assert step == 0 or f"@1.{step}-" in version
        assert all(math.isfinite(rollout["score"]) and not rollout["score_error"] for rollout in rollouts)
    assert [entry["used"] for entry in road.ledger] == [SAMPLES * (step + 1) for step in range(STEPS)]
    assert road.run.results["ppo"].metrics["rollouts_used"] == STEPS * SAMPLES
    assert len({json.dumps(rollout["response_ids"]) for rollout in road.rollouts()}) > STEPS * SAMPLES // 2


def test_before_the_first_update_the_ratio_is_one_and_the_kl_is_zero(road: SmallRoad) -> None:
    first, *later = (step.metrics for step in road.steps)
    assert first["kl"] == pytest.approx(0.0, abs=1e-4)
    assert first["mismatch_max"] < 1e-4
    assert (first["approx_kl"], first["clip_fraction"]) == (pytest.approx(0.0, abs=1e-8), 0.0)
    for rollout in road.rollouts(0):
        assert rollout["reference_log_probs"] == pytest.approx(rollout["log_probs"], abs=1e-4)
    assert all(abs(metrics["kl"]) > 1e-4 for metrics in later), "the updates moved the policy away"


def test_the_reported_kl_is_that_of_the_recorded_log_probs(road: SmallRoad) -> None:
    for step, entry in zip(road.steps, road.ledger, strict=True):
        pairs = [(r["log_probs"], r["reference_log_probs"]) for r in entry["rollouts"]]
        gaps = [p - q for ours, theirs in pairs for p, q in zip(ours, theirs, strict=True)]
        assert step.metrics["kl_per_token"] == pytest.approx(sum(gaps) / len(gaps), abs=1e-5)


class Shifted(grpc.UnaryUnaryClientInterceptor):
    """Between worker and reference: answers from the call `first` on (0-based) are `SHIFT` too low."""

    def __init__(self, first: int) -> None:
        self.first, self.calls, self._counting = first, 0, threading.Lock()

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        call = continuation(details, request)
        with self._counting:
            late = self.calls >= self.first
            self.calls += 1
        for sequence in call.result().sequences if late else ():
            sequence.log_probs[:] = [value - SHIFT for value in sequence.log_probs]
        return call


@pytest.fixture
def ppo_here(services: Services, store: ObjectStore, tmp_path: Path) -> Callable[..., list[Step]]:
    """The same PPO by a worker in this process, so that something may stand between it and the reference service."""

    def run(name: str, spec: PpoSpec, *between: Shifted) -> list[Step]:
        objects = Attempt(store, name, 1)
        with ExitStack() as opened:
            live = opened.enter_context(LiveAttempt(objects))
            policy, reward = (opened.enter_context(open_channel(services.addresses[r])) for r in ("policy", "reward"))
            reference = opened.enter_context(grpc.insecure_channel(services.addresses["reference"]))
            channels = Channels(policy, reward, grpc.intercept_channel(reference, *between))
            opened.callback(torch.use_deterministic_algorithms, False)
            bench = Workbench(
                attempt=live,
                models=ModelStore(store, tmp_path / "models"),
                datasets=DatasetStore(store),
                collector=ServiceCollector(channels, live.check, 300.0),
                work_dir=tmp_path,
            )
            pipeline.run(bench, RunSpec(name, spec, seed=SEED, deterministic=True))
            live.flush()
        return list(objects.steps("ppo"))

    return run


def test_a_shifted_reference_shifts_the_reported_kl(road: SmallRoad, ppo_here: Callable[..., list[Step]]) -> None:
    """From the second step on, whose rollouts are still those of the true run."""
    shifted = ppo_here("shifted", replace(road.ppo, steps=2), Shifted(first=1))
    true = [step.metrics["kl_per_token"] for step in road.steps]
    assert shifted[0].metrics["kl_per_token"] == pytest.approx(true[0], abs=1e-6)
    assert shifted[1].metrics["kl_per_token"] - true[1] == pytest.approx(SHIFT, abs=1e-4)
    length = road.steps[1].metrics["response_length"]
    assert shifted[1].metrics["kl"] - road.steps[1].metrics["kl"] == pytest.approx(SHIFT * length, abs=1e-3)


def test_a_reference_that_is_off_from_the_start_is_found_out(
    road: SmallRoad, ppo_here: Callable[..., list[Step]]
) -> None:
    with pytest.raises(AssertionError, match=r"at step 0 the policy is 1\.00e-01 nats away from the reference"):
        ppo_here("off", replace(road.ppo, steps=1), Shifted(first=0))


def test_a_flipped_reward_model_flips_the_reward(road: SmallRoad, ppo_here: Callable[..., list[Step]]) -> None:
    flipped = road.client.models.upload(flip(road.home(road.model("judge")), road.folder / "flipped"), name="flipped")
    rollouts = road.rollouts(0)
    pairs = [(rollout["prompt_ids"], rollout["response_ids"]) for rollout in rollouts]
    scores = road.client.reward.score(pairs, model=flipped, tokenizer_digest=flipped.tokenizer_digest)
    assert [score.raw for score in scores] == pytest.approx([-r["raw_score"] for r in rollouts], abs=1e-4)
    assert [score.normalized for score in scores] == pytest.approx([-r["score"] for r in rollouts], abs=1e-4)
    (step,) = ppo_here("flipped", replace(road.ppo, reward_model=str(flipped), steps=1))
    assert step.metrics["raw_reward"] == pytest.approx(-road.steps[0].metrics["raw_reward"], abs=1e-4)
    assert abs(step.metrics["raw_reward"]) > 1e-2


def flip(folder: Path, into: Path) -> Path:
    """The reward model with its sign turned."""
    into.mkdir()
    for file in folder.iterdir():
        (into / file.name).write_bytes(file.read_bytes())
    weights, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    weights["score.weight"] *= -1
    save_file(weights, into / "model.safetensors", {"format": "pt"})
    (into / "config.json").write_text(json.dumps(config | {"reward_offset": -config["reward_offset"]}))
    return into


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_with_the_reward_models_sign_flipped_gold_falls(client: rlhf.Client, tmp_path: Path) -> None:
    base = client.models.upload(WEIGHTS, name="gold-base")
    data = {kind: client.datasets.upload(EXAMPLES / f"{kind}.jsonl", name=f"gold-{kind}") for kind in KINDS}
    sft = train(client, "gold-sft", rlhf.Sft(base_model=base, dataset=data["demonstrations"]))
    judge = train(client, "gold-judge", rlhf.RewardModel(base_model=sft, dataset=data["comparisons"]))
    flipped = client.models.upload(flip(client.models.download(judge, tmp_path / "judge"), tmp_path / "flipped"))
    spec = rlhf.Ppo(policy_model=sft, reward_model=flipped, prompts=data["prompts"])
    tuned = train(client, "gold-flipped", spec)
    world = load_world("home")
    pool = spread(cases(world, "held_out"), per_family=10, seed=0)
    before, after = (answer(client, world, model, sft, pool, samples=2, tokens=64) for model in (sft, tuned))
    assert effect(after.judged, before.judged).high < 0


KINDS = ("demonstrations", "comparisons", "prompts")


def train(client: rlhf.Client, name: str, spec: rlhf.Spec) -> str:
    (result,) = client.runs.create(spec, name=name).wait(timeout=1800).results.values()
    return str(result.model)
