"""A PPO step of the whole system against the same engine, reward model, reference and learner called directly.

The system is all of it: the services, a run created through the SDK, a worker process, gRPC, storage, and each step's
weights published and fetched. The peer is one process that shares the policy's weights between engine and learner. Both
sample the same tokens, step by step.

Seconds of a clock are what counts, on a machine with nothing else to do. Seconds of the processors are reported beside:
a scheduler that shares the cores with other work favours six processes over one.
"""

import itertools
import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil
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
from tests.benchmarks.measurement import Result, Target

STEPS = 4  # of one run; the first warms up
PROMPTS = 256
SEED = 0
SPEC = PpoSpec("policy", "reward", "prompts", steps=STEPS)
TARGET = Target(at_most=1.25)
BESIDE = Target(at_most=math.inf)  # a ratio of time, for comparison
RUN_SECONDS = 600.0


class Cost(NamedTuple):
    """Of one step."""

    seconds: float
    cpu_seconds: float  # of all processes and threads
    tokens: int  # sampled


def run(threads: int, repeats: int) -> Iterator[Result]:
    own: list[Cost] = []
    peer: list[Cost] = []
    with tempfile.TemporaryDirectory() as folder, system(Path(folder), threads) as (client, pids):
        for repeat in range(repeats):
            first, second = (own, peer) if repeat % 2 == 0 else (peer, own)
            for side in (first, second):
                side += through_services(client, pids, threads) if side is own else directly()
    assert [cost.tokens for cost in own] == [cost.tokens for cost in peer], "the two sides do the same work"
    note = f"{SPEC.prompts_per_step} prompts × {SPEC.samples_per_prompt} samples, {SPEC.max_new_tokens} new tokens"
    name, direct = "PPO step through the services", "called directly"
    yield Result(name, direct, 1, "steps", [c.seconds for c in own], [c.seconds for c in peer], TARGET, note)
    processors = [c.cpu_seconds for c in own], [c.cpu_seconds for c in peer]
    yield Result(f"{name}, seconds of the processors", direct, 1, "steps", *processors, BESIDE, note)


@contextmanager
def system(folder: Path, threads: int) -> Iterator[tuple[rlhf.Client, list[int]]]:
    """Reward and reference service are asked at the same time, so each has half of the cores."""
    half = ("--threads", str(max(1, threads // 2)))
    with (
        Services(
            str(folder / "storage"), folder, threads=threads, flags={"reward": half, "reference": half}
        ) as services,
        rlhf.Client(**services.addresses) as client,
    ):
        upload(client, folder)
        yield client, list(services.pids.values())


def upload(client: rlhf.Client, folder: Path) -> None:
    client.models.upload(models.write(models.policy(), folder / "policy"), name="policy")
    client.models.upload(models.write(models.reward_model(), folder / "reward"), name="reward")
    prompts = folder / "prompts.jsonl"
    texts = (models.tokenizer().decode(ids) for ids in workload.prompts(PROMPTS))
    prompts.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    client.datasets.upload(prompts, name="prompts")


def through_services(client: rlhf.Client, pids: Sequence[int], threads: int) -> list[Cost]:
    """Of each step after the first, from one report to the next."""
    spec = rlhf.Ppo(policy_model="policy", reward_model="reward", prompts="prompts", steps=STEPS)
    created = client.runs.create(spec, name="bench", seed=SEED, threads=threads)
    reports = [(cpu_seconds(pids), e.metrics) for e in created.watch(timeout=RUN_SECONDS) if e.metrics]
    created.wait(timeout=RUN_SECONDS)
    assert len(reports) == STEPS
    return [
        Cost(metrics["seconds"], cpu - before, int(metrics["tokens"]))
        for (before, _), (cpu, metrics) in itertools.pairwise(reports)
    ]


def cpu_seconds(pids: Sequence[int]) -> float:
    """So far, by these processes and what they started."""
    processes = [psutil.Process(pid) for pid in pids]
    processes += [child for process in processes for child in process.children(recursive=True)]
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


@dataclass
class Direct:
    engine: Engine
    reward: PreTrainedModel
    reference: LlamaForCausalLM
    learner: Learner

    def step(self, step: int) -> Cost:
        started, cpu = time.perf_counter(), time.process_time()
        rollouts = self.judged(self.generate(step))
        batch = self.learner.measure(rollouts)
        self.learner.update(batch, targets_of(batch, SPEC, SPEC.kl_coefficient), step)
        tokens = sum(len(rollout.response_ids) for rollout in rollouts)
        return Cost(time.perf_counter() - started, time.process_time() - cpu, tokens)

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


def directly() -> list[Cost]:
    """Of each step after the first."""
    policy, updates = models.policy(), Learner.total_updates(SPEC)
    learner = Learner(
        Optimizer(policy, SPEC.optimization, updates),
        Optimizer(ValueModel(models.reward_model()), SPEC.optimization, updates, SPEC.value_learning_rate),
        SPEC,
        pad_id=0,
        seed=SEED,
    )
    direct = Direct(Engine(policy, models.tokenizer()), models.reward_model(), models.policy(), learner)
    return [direct.step(step) for step in range(STEPS)][1:]
