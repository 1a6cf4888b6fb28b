"""The committed base model → SFT → reward model → three PPO steps, through the services; then what they say of it."""

import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import rlhf
from prometheus_client.parser import text_string_to_metric_families
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from services.local import Services
from services.simulator.base_model import WEIGHTS
from services.storage.object_store import ObjectStore
from services.trainer.attempts import Attempt, Step, attempt_prefix, read_json
from services.trainer.recipes import PpoSpec
from services.trainer.specs import read_spec

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = {"demonstrations": 96, "comparisons": 64, "prompts": 40}
STEPS, SAMPLES = 3, 16
SEED = 11

Sample = tuple[str, tuple[tuple[str, str], ...]]  # a metric's name and labels


@dataclass(frozen=True)
class SmallRoad:
    """`ledger` and `steps` have an entry for each PPO step; `counted` is what the services' counters grew by."""

    client: rlhf.Client
    run: rlhf.RunHandle
    base: rlhf.Model
    ledger: list[dict[str, Any]]
    steps: list[Step]
    counted: Mapping[Sample, float]
    ppo: PpoSpec  # with every name pinned
    folder: Path

    def model(self, stage: str) -> rlhf.ModelVersion:
        result = self.run.results[stage].model
        assert result
        return result

    def rollouts(self, step: int | None = None) -> list[dict[str, Any]]:
        """Of one step, or of all."""
        return [rollout for entry in self.ledger if step in (None, entry["step"]) for rollout in entry["rollouts"]]

    def plain_causal(self, version: object) -> PreTrainedModel:
        return AutoModelForCausalLM.from_pretrained(self.home(version)).eval()

    def plain_reward(self, version: object) -> PreTrainedModel:
        return AutoModelForSequenceClassification.from_pretrained(self.home(version)).eval()

    def home(self, version: object) -> Path:
        """A model, downloaded once."""
        into = self.folder / str(version)
        return into if into.exists() else self.client.models.download(str(version), into)


def walk(client: rlhf.Client, services: Services, store: ObjectStore, folder: Path) -> SmallRoad:
    folder.mkdir()
    base = client.models.upload(WEIGHTS, name="road-base")
    data = {kind: client.datasets.upload(first_rows(kind, folder), name=f"road-{kind}") for kind in ROWS}
    spec = rlhf.Pipeline(
        sft=rlhf.Sft(base_model=base, dataset=data["demonstrations"], epochs=1, batch_size=16),
        judge=rlhf.RewardModel(base_model="stage:sft", dataset=data["comparisons"], batch_size=16),
        # One optimiser step for each PPO step: its ratios are those of weights that nothing has changed yet.
        ppo=rlhf.Ppo(
            policy_model="stage:sft", reward_model="stage:judge", prompts=data["prompts"], steps=STEPS,
            prompts_per_step=SAMPLES // 2, samples_per_prompt=2, max_new_tokens=24, inner_epochs=1, minibatches=1,
        ),
    )  # fmt: skip
    before = scrape(services)
    run = client.runs.create(spec, name="road", seed=SEED, deterministic=True)
    run.wait(timeout=500)
    grown = scrape(services)
    grown.subtract(before)
    stages = dict(read_spec(store, run.id).stages())
    models = {
        name: str(run.results[stage].model) for name, stage in (("policy_model", "sft"), ("reward_model", "judge"))
    }
    return SmallRoad(
        client=client,
        run=run,
        base=base,
        ledger=ledger_of(store, run.id, "ppo"),
        steps=list(Attempt(store, run.id, 1).steps("ppo")),
        counted=grown,
        ppo=replace(stages["ppo"], **models),
        folder=folder,
    )


def first_rows(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.jsonl"
    with (EXAMPLES / path.name).open() as lines:
        path.write_text("".join(islice(lines, ROWS[kind])))
    return path


def ledger_of(store: ObjectStore, run_id: str, stage: str) -> list[dict[str, Any]]:
    keys = sorted(info.key for info in store.list(f"{attempt_prefix(run_id, 1)}rollouts/{stage}/"))
    return [value for key in keys if (value := read_json(store, key))]


def scrape(services: Services) -> Counter[Sample]:
    """All counters of the services, as Prometheus would read them."""
    found: Counter[Sample] = Counter()
    for address in services.metrics_addresses.values():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        for family in families:
            if family.type == "counter":
                found.update({(s.name, tuple(sorted(s.labels.items()))): s.value for s in family.samples})
    return found
