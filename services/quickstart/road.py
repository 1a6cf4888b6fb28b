"""The road from a base model to an aligned one, walked through the SDK alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import rlhf

from services.quickstart.material import (
    LabelledPair,
    label,
    sample,
    write_comparisons,
    write_demonstrations,
    write_prompts,
)
from services.quickstart.narrator import Narrator
from services.quickstart.plan import Plan
from services.simulator import base_encoder, base_model
from services.simulator.cases import Case
from services.simulator.splits import cases, draw
from services.simulator.world import World

RUN_TIMEOUT = 1800.0  # seconds a stage may take before the quickstart gives up on it


@dataclass
class Road:
    """Each stage leaves its model in `models` and its curves in `curves`, under the stage's name.

    `clients` reach the same services but for a policy service each; PPO samples from that of the first.
    """

    clients: Sequence[rlhf.Client]
    world: World
    plan: Plan
    seed: int
    folder: Path
    narrator: Narrator
    models: dict[str, str] = field(default_factory=dict)
    curves: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    pairs: list[LabelledPair] = field(default_factory=list)

    @property
    def client(self) -> rlhf.Client:
        return self.clients[0]

    @property
    def beside(self) -> Sequence[rlhf.Client]:
        """The clients that do not get into PPO's way, where there is more than one."""
        return self.clients[-1:]

    def upload(self) -> None:
        packages = {"base": base_model, "encoder": base_encoder}
        with ThreadPoolExecutor(len(packages)) as threads:
            uploads = {
                name: threads.submit(self.client.models.upload, package.WEIGHTS, name=name)
                for name, package in packages.items()
            }
        self.models = {name: str(upload.result()) for name, upload in uploads.items()}
        demonstrations = write_demonstrations(
            self.world, self.plan.demonstrations, self.seed, self.folder / "demonstrations.jsonl"
        )
        self.client.datasets.upload(demonstrations, name="demonstrations")
        self.client.datasets.upload(write_prompts(self.world, self.folder / "prompts.jsonl"), name="prompts")

    def sft(self) -> None:
        self.train("sft", rlhf.Sft(base_model=self.models["base"], dataset="demonstrations"))

    def compare(self) -> None:
        """Samples of the SFT model, judged pair by pair by simulated raters."""
        pool = draw(cases(self.world, "train"), self.plan.compared_prompts, self.seed + 1)
        shape = (self.plan.compared_samples, self.plan.judgements)
        self.pairs = self._judged_pairs(self.clients, pool, *shape, self.seed + 1)

    def upload_comparisons(self) -> None:
        path = write_comparisons(self.pairs, self.folder / "comparisons.jsonl")
        self.client.datasets.upload(path, name="comparisons")

    def held_out_pairs(self) -> list[LabelledPair]:
        pool = draw(cases(self.world, "held_out"), self.plan.held_out_pairs, self.seed + 2)
        return self._judged_pairs(self.beside, pool, 2, 1, self.seed + 2)

    def _judged_pairs(
        self, clients: Sequence[rlhf.Client], pool: list[Case], per_case: int, judgements: int, seed: int
    ) -> list[LabelledPair]:
        rollouts = sample(clients, self.models["sft"], pool, per_case, self.plan.max_new_tokens, seed * 1000)
        # An answer that was cut off is not shown to anybody; an empty text makes no pair.
        texts = [rollout.text if rollout.finish_reason == "stop" else "" for rollout in rollouts]
        answers = [texts[i : i + per_case] for i in range(0, len(texts), per_case)]
        return label(self.world, pool, answers, seed, judgements)

    def start_dpo(self) -> rlhf.RunHandle:
        return self._start("dpo", self.dpo_spec("comparisons"), threads=1)

    def reward_model(self) -> None:
        """On one core, as DPO takes the other."""
        self.train("reward", self.reward_spec("comparisons"), threads=1)

    def dpo_spec(self, comparisons: str) -> rlhf.Dpo:
        return rlhf.Dpo(policy_model=self.models["sft"], dataset=comparisons, batch_size=self.plan.batch_size)

    def reward_spec(self, comparisons: str) -> rlhf.RewardModel:
        return rlhf.RewardModel(
            base_model=self.models["encoder"], dataset=comparisons, demonstrations="demonstrations",
            batch_size=self.plan.batch_size,
        )  # fmt: skip

    def ppo(self) -> None:
        spec = rlhf.Ppo(
            policy_model=self.models["sft"], reward_model=self.models["reward"], prompts="prompts",
            steps=self.plan.ppo_steps, max_new_tokens=self.plan.max_new_tokens,
        )  # fmt: skip
        self.train("ppo", spec)

    def train(self, name: str, spec: rlhf.Spec, threads: int = 2) -> str:
        """Runs one stage to its end, on both cores unless told otherwise; returns the model that it made."""
        return self.finish(name, self._start(name, spec, threads))

    def _start(self, name: str, spec: rlhf.Spec, threads: int) -> rlhf.RunHandle:
        return self.client.runs.create(spec, name=name, seed=self.seed, threads=threads)

    def finish(self, name: str, run: rlhf.RunHandle, bar: bool = True) -> str:
        """One `bar` at a time: whoever finishes a run beside another shows none."""
        self.curves[name] = self.narrator.follow(run, RUN_TIMEOUT, bar)
        (result,) = run.results.values()
        self.models[name] = str(result.model)
        return self.models[name]
