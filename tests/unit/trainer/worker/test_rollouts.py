"""Real services, started once; what they answer is held against the same models in this process."""

import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from transformers import LlamaForSequenceClassification

from services.language_model.loading import load_tokenizer
from services.language_model.tokens import tokenizer_digest
from services.local import Services
from services.runtime.channels import RemoteError, open_channel
from services.storage.models import Version
from services.trainer.recipes import Optimization, PpoSpec, RunSpec
from services.trainer.worker import rollouts as module
from services.trainer.worker.attempt import Stopped
from services.trainer.worker.collector import Collector, Prompt, RewardRole
from services.trainer.worker.encoding import as_messages
from services.trainer.worker.experience import Rollout, SamplingPlan
from services.trainer.worker.rollouts import Channels, ServiceCollector
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.direct_collector import DirectCollector
from tests.unit.trainer.worker.small_world import SmallWorld, prompts, questions

PATIENCE = 300.0  # seconds


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("services"))


@pytest.fixture(scope="module")
def services(world: SmallWorld) -> Iterator[Services]:
    with Services(storage=str(world.folder / "storage"), folder=world.folder / "services") as services:
        yield services


@pytest.fixture
def collector(services: Services) -> Iterator[ServiceCollector]:
    with (
        open_channel(services.addresses["policy"]) as policy,
        open_channel(services.addresses["reward"]) as reward,
        open_channel(services.addresses["reference"]) as reference,
    ):
        yield ServiceCollector(Channels(policy, reward, reference), lambda: None, PATIENCE)


@pytest.fixture(scope="module")
def policy(world: SmallWorld) -> Version:
    return world.publish("policy", small_world.policy())


@pytest.fixture(scope="module")
def reward(world: SmallWorld) -> Version:
    model = LlamaForSequenceClassification(small_world.config(num_labels=1)).eval()
    model.config.reward_offset = 0.25
    return world.publish("reward", model)


ASKED = [
    Prompt(index, as_messages(words), small_world.tokenizer()(f"<user> {words[0].content} <assistant>").input_ids)
    for index, words in enumerate(questions(10))
]


def plan(deterministic: bool = True) -> SamplingPlan:
    return SamplingPlan(2, max_new_tokens=6, temperature=0.7, seed=5, deterministic=deterministic)


def role(world: SmallWorld, version: Version, takes_ids: bool = True) -> RewardRole:
    return RewardRole(version, takes_ids, tokenizer_digest(load_tokenizer(world.models.fetch(version))))


def own_prompts(rollouts: list[Rollout]) -> list[Prompt]:
    return [ASKED[rollout.place] for rollout in rollouts]


def test_rollouts_are_those_of_the_same_engine_in_this_process(
    world: SmallWorld, collector: ServiceCollector, policy: Version
) -> None:
    found = collector.generate([policy], ASKED, plan())
    assert found == DirectCollector(world.models).generate([policy], ASKED, plan())
    assert [(r.place, r.sample) for r in found] == [(place, sample) for place in range(10) for sample in range(2)]
    assert {(r.version, r.digest) for r in found} == {(str(policy), policy.digest)}
    assert {r.ended for r in found} == {r.response_ids[-1] == 2 for r in found}


def test_many_prompts_travel_in_several_calls_and_come_back_in_order(
    collector: ServiceCollector, policy: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROMPTS_PER_CALL", 3)
    found = collector.generate([policy], ASKED, plan(deterministic=False))
    assert [(r.place, r.sample) for r in found] == [(place, sample) for place in range(10) for sample in range(2)]
    assert [r.prompt_ids for r in found] == [prompt.ids for prompt in ASKED for _ in range(2)]
    assert collector.calls["Generate"] == 4
    assert collector.items["Generate"] == 20
    same_prompt = [r.response_ids for r in found if r.prompt_ids == ASKED[0].ids]
    assert len(same_prompt) == 2


def test_equal_prompts_in_different_calls_get_different_samples(
    collector: ServiceCollector, policy: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROMPTS_PER_CALL", 1)
    found = collector.generate([policy], [ASKED[0]] * 8, plan())
    assert len({tuple(r.response_ids) for r in found}) > 8


@pytest.mark.parametrize("takes_ids", [True, False])
def test_scores_are_those_of_the_same_model_in_this_process(
    world: SmallWorld, collector: ServiceCollector, policy: Version, reward: Version, takes_ids: bool
) -> None:
    """As ids; or as text, as for a reward model with another tokenizer, which closes every answer with its own end."""
    direct = DirectCollector(world.models)
    first, *others = direct.generate([policy], ASKED, plan())
    rollouts = [replace(first, response_ids=[2], log_probs=[-1.0], text=""), *others]  # ended at once
    asked = role(world, reward, takes_ids)
    found = collector.score(asked, own_prompts(rollouts), rollouts, True)
    expected = direct.score(asked, own_prompts(rollouts), rollouts, True)
    assert [score.normalized for score in found] == pytest.approx([score.normalized for score in expected], abs=1e-4)
    assert [s.raw - s.normalized for s in found if s.raw and s.normalized] == pytest.approx([0.25] * 20, abs=1e-5)


def test_a_score_that_fails_is_no_number(
    world: SmallWorld, collector: ServiceCollector, policy: Version, reward: Version
) -> None:
    """A response longer than the reward model's context."""
    good, *_ = DirectCollector(world.models).generate([policy], ASKED[:1], plan())
    long = replace(good, response_ids=[9] * 200, log_probs=[0.0] * 200)
    found = collector.score(role(world, reward), [ASKED[0]] * 2, [good, long], False)
    assert found[0].normalized is not None
    assert (found[1].normalized, found[1].raw) == (None, None)
    assert "longer than the context" in found[1].error


def test_reference_log_probs_equal_the_generators(
    collector: ServiceCollector, policy: Version, world: SmallWorld
) -> None:
    rollouts = collector.generate([policy], ASKED, plan())
    found = collector.reference_log_probs(policy, rollouts, 0.7, True)
    for row, rollout in zip(found, rollouts, strict=True):
        assert row == pytest.approx(rollout.log_probs, abs=1e-4)


def test_ppo_through_the_services_equals_ppo_in_this_process(
    world: SmallWorld, collector: ServiceCollector, policy: Version, reward: Version, services: Services
) -> None:
    optimization = Optimization(learning_rate=1e-3, checkpoint_every=100)
    asked = world.put("prompts", prompts(30))
    spec = PpoSpec(
        str(policy), str(reward), asked, steps=4, prompts_per_step=8, max_new_tokens=6, optimization=optimization
    )
    before = handled(services)
    digests = []
    chosen: list[tuple[str, Collector]] = [("direct", DirectCollector(world.models)), ("served", collector)]
    for name, asker in chosen:
        run = SmallWorld(world.folder, name)
        digests.append(run.run(RunSpec(name, spec, deterministic=True), collector=asker)["ppo"].digest)
    assert digests[0] == digests[1]
    answered = {method: count - before[method] for method, count in handled(services).items()}
    assert answered == collector.calls == {"Generate": 4, "Score": 4, "LogProbs": 4}
    assert collector.items == {"Generate": 64, "Score": 64, "LogProbs": 64}


def handled(services: Services) -> dict[str, int]:
    """The services' own counters of answered RPCs."""
    counts = {"Generate": 0, "Score": 0, "LogProbs": 0}
    for name in ("policy", "reward", "reference"):
        with urllib.request.urlopen(f"http://{services.metrics_addresses[name]}/metrics", timeout=10) as page:
            for line in page.read().decode().splitlines():
                for method in counts:
                    if line.startswith("grpc_server_handled_total{") and f'"{method}"' in line and '"OK"' in line:
                        counts[method] += int(float(line.split()[-1]))
    return counts


def test_a_service_that_dies_is_waited_for(
    world: SmallWorld, collector: ServiceCollector, policy: Version, reward: Version, services: Services
) -> None:
    rollouts = collector.generate([policy], ASKED, plan())
    services.kill("reward")
    comeback = threading.Thread(target=services.restart, args=("reward",))
    comeback.start()
    found = collector.score(role(world, reward), own_prompts(rollouts), rollouts, True)
    comeback.join()
    assert all(score.normalized is not None for score in found)


def test_waiting_ends_when_the_attempt_has_to_stop(policy: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 0.3)

    def stop() -> None:
        raise Stopped("cancelled")

    with grpc.insecure_channel("127.0.0.1:1") as nobody:
        started = time.monotonic()
        with pytest.raises(Stopped, match="cancelled"):
            ServiceCollector(Channels(nobody, nobody, nobody), stop, PATIENCE).generate([policy], ASKED, plan())
    assert time.monotonic() - started < 10


def test_waiting_has_an_end_and_says_whom_it_was_for(policy: Version) -> None:
    with (
        grpc.insecure_channel("127.0.0.1:1") as nobody,
        pytest.raises(RemoteError, match=r"UNAVAILABLE: .*127\.0\.0\.1:1"),
    ):
        ServiceCollector(Channels(nobody, nobody, nobody), lambda: None, 0.5).generate([policy], ASKED, plan())


def test_what_waiting_cannot_cure_fails_at_once(collector: ServiceCollector, policy: Version) -> None:
    gone = Version("policy", "9.9-deadbeef", "d", 0.0)
    with pytest.raises(RemoteError, match=r"NOT_FOUND.*9\.9-deadbeef"):
        collector.generate([gone], ASKED, plan())
    assert collector.calls == {}
