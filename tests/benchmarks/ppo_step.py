"""A PPO step of the whole system against the same engine, reward model, reference and learner called directly.

The system is all of it: four services, a run created through the SDK, a worker process, gRPC, storage, and each step's
weights published and fetched. The peer is one process that shares the policy's weights between engine and learner.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rlhf
import torch
from transformers import LlamaForCausalLM, PreTrainedModel

from services.language_model.engine import Engine
from services.language_model.generation import Generation, Request
from services.language_model.log_probs import response_log_probs
from services.language_model.sampling import SamplingParams
from services.language_model.scoring import raw_scores
from services.local import Services
from services.trainer.recipes import PpoSpec
from services.trainer.worker.batches import stream
from services.trainer.worker.experience import Rollout
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ppo.learner import Learner
from services.trainer.worker.ppo.targets import targets_of
from services.trainer.worker.ppo.value_model import ValueModel
from services.trainer.worker.seeds import derived_seed
from tests.benchmarks import models, workload
from tests.benchmarks.measurement import Result, Target, timed

STEPS = 4  # of one run; the first warms up
PROMPTS = 256
SEED = 0
SPEC = PpoSpec("policy", "reward", "prompts", steps=STEPS)
TARGET = Target(at_most=1.25)
RUN_SECONDS = 600.0


def run(threads: int, repeats: int) -> Iterator[Result]:
    seconds, peer_seconds = [], []
    with tempfile.TemporaryDirectory() as folder, system(Path(folder), threads) as client:
        for _ in range(repeats):
            seconds += through_services(client, threads)
            peer_seconds += directly()
    note = f"{SPEC.prompts_per_step} prompts × {SPEC.samples_per_prompt} samples, {SPEC.max_new_tokens} new tokens"
    yield Result("PPO step through the services", "called directly", 1, "steps", seconds, peer_seconds, TARGET, note)


@contextmanager
def system(folder: Path, threads: int) -> Iterator[rlhf.Client]:
    """Reward and reference service are asked at the same time, so each has half of the cores."""
    half = ("--threads", str(max(1, threads // 2)))
    with (
        Services(
            str(folder / "storage"), folder, threads=threads, flags={"reward": half, "reference": half}
        ) as services,
        rlhf.Client(**services.addresses) as client,
    ):
        upload(client, folder)
        yield client


def upload(client: rlhf.Client, folder: Path) -> None:
    client.models.upload(models.write(models.policy(), folder / "policy"), name="policy")
    client.models.upload(models.write(models.reward_model(), folder / "reward"), name="reward")
    prompts = folder / "prompts.jsonl"
    texts = (models.tokenizer().decode(ids) for ids in workload.prompts(PROMPTS))
    prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    client.datasets.upload(prompts, name="prompts")


def through_services(client: rlhf.Client, threads: int) -> list[float]:
    """Seconds of each step after the first, from one report to the next."""
    spec = rlhf.Ppo(policy_model="policy", reward_model="reward", prompts="prompts", steps=STEPS)
    created = client.runs.create(spec, name="bench", seed=SEED, threads=threads)
    events = [event for event in created.watch(timeout=RUN_SECONDS) if event.metrics]
    created.wait(timeout=RUN_SECONDS)
    assert [event.step for event in events] == list(range(1, STEPS + 1))
    return [event.metrics["seconds"] for event in events[1:]]


@dataclass
class Direct:
    engine: Engine
    reward: PreTrainedModel
    reference: LlamaForCausalLM
    learner: Learner

    def step(self, step: int) -> None:
        rollouts = self.judged(self.generate(step))
        batch = self.learner.measure(rollouts)
        self.learner.update(batch, targets_of(batch, SPEC, SPEC.kl_coefficient), step)

    def generate(self, step: int) -> list[tuple[Request, Generation]]:
        """The requests that a run sends: same prompts, samples and seeds."""
        prompts, seed = workload.prompts(PROMPTS), derived_seed(derived_seed(SEED, step), 0)
        params = SamplingParams(max_new_tokens=SPEC.max_new_tokens, temperature=SPEC.temperature, seed=seed)
        requests = [
            Request(prompts[index], params, place, sample)
            for place, index in enumerate(stream(PROMPTS, SPEC.prompts_per_step, step, SEED))
            for sample in range(SPEC.samples_per_prompt)
        ]
        return list(zip(requests, self.engine.generate(requests), strict=True))

    @torch.inference_mode()
    def judged(self, generated: Sequence[tuple[Request, Generation]]) -> list[Rollout]:
        prompts, responses = [list(r.prompt_ids) for r, _ in generated], [g.response_ids for _, g in generated]
        sequences = [[*p, *r] for p, r in zip(prompts, responses)]
        scores = raw_scores(self.reward, sequences, pad_id=0).tolist()
        logprobs_BR = response_log_probs(self.reference, prompts, responses, SPEC.temperature, pad_id=0).logprobs_BR
        return [
            Rollout(
                place=request.prompt_index,
                sample=request.sample_index,
                prompt=request.prompt_index,
                prompt_ids=list(request.prompt_ids),
                response_ids=generation.response_ids,
                log_probs=generation.log_probs,
                ended=generation.finish_reason == "stop",
                text=generation.text,
                version="",
                digest="",
                score=score,
                raw_score=score,
                reference_log_probs=row[: len(generation.response_ids)],
            )
            for (request, generation), score, row in zip(generated, scores, logprobs_BR.tolist(), strict=True)
        ]


def directly() -> list[float]:
    """Seconds of each step after the first."""
    policy, updates = models.policy(), Learner.total_updates(SPEC)
    learner = Learner(
        Optimizer(policy, SPEC.optimization, updates),
        Optimizer(ValueModel(models.reward_model()), SPEC.optimization, updates, SPEC.value_learning_rate),
        SPEC,
        pad_id=0,
        seed=SEED,
    )
    direct = Direct(Engine(policy, models.tokenizer()), models.reward_model(), models.policy(), learner)
    return [timed(lambda step=step: direct.step(step)) for step in range(STEPS)][1:]
