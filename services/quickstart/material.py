"""What people would bring, made by the simulator: demonstrations, prompts, and comparisons of sampled answers."""

import itertools
import json
import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue

from rlhf import Client, Rollout

from services.simulator.cases import Case
from services.simulator.demonstrations import demonstrate
from services.simulator.raters import RaterPanel
from services.simulator.splits import cases, draw
from services.simulator.world import World

PROMPTS_PER_CALL = 128


@dataclass(frozen=True)
class LabelledPair:
    case: Case
    chosen: str
    rejected: str
    rater: str
    chosen_probability: float  # that a rater prefers `chosen`; for the ceiling alone, never written to a dataset


def write_demonstrations(world: World, count: int, seed: int, path: Path) -> Path:
    pool = draw(cases(world, "train"), count, seed)
    responses = demonstrate(world, pool, seed)
    return _write(path, ({"prompt": c.prompt, "response": r} for c, r in zip(pool, responses, strict=True)))


def write_prompts(world: World, path: Path) -> Path:
    """Prompts of all families in equal parts, as often as the largest family has them."""
    pool = cases(world, "train")
    return _write(path, ({"prompt": case.prompt} for case in draw(pool, len(pool), seed=0)))


def write_comparisons(pairs: list[LabelledPair], path: Path) -> Path:
    return _write(path, ({"prompt": p.case.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in pairs))


def sample(
    clients: Sequence[Client], model: str, pool: list[Case], per_case: int, max_new_tokens: int, seed: int
) -> list[Rollout]:
    """Rollouts of `model`, `per_case` for each case in turn. Calls are cut to a size that a service admits at once, and
    each of `clients` has one under way."""
    idle = SimpleQueue[Client]()
    for client in clients:
        idle.put(client)

    def ask(start: int) -> list[Rollout]:
        client = idle.get()
        try:
            return client.policy.generate(
                [case.prompt for case in pool[start : start + PROMPTS_PER_CALL]],
                model=model, samples_per_prompt=per_case, max_new_tokens=max_new_tokens, seed=seed + start,
            )  # fmt: skip
        finally:
            idle.put(client)

    threads = ThreadPoolExecutor(len(clients))
    try:
        return list(itertools.chain.from_iterable(threads.map(ask, range(0, len(pool), PROMPTS_PER_CALL))))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C a call ends with its client


class _Panel(RaterPanel):
    """Looks at a pair once, however often it is judged in a row."""

    @lru_cache(maxsize=1)  # noqa: B019
    def _features(self, case: Case, a: str, b: str) -> tuple[float, float, int]:
        return super()._features(case, a, b)


def label(
    world: World, pool: list[Case], answers: list[list[str]], seed: int, judgements: int = 1
) -> list[LabelledPair]:
    """All pairs of the answers to a case, each once for every judgement of it; equal texts are no pair."""
    rng, panel = random.Random(f"labels-{seed}"), _Panel(world)
    pairs = []
    for case, texts in zip(pool, answers, strict=True):
        for a, b in itertools.combinations(texts, 2):
            if a == b or not a.strip() or not b.strip():
                continue
            for _ in range(judgements):
                judgement = panel.label(case, a, b, rng)
                p = judgement.probability
                chosen, rejected, p = (a, b, p) if judgement.first_preferred else (b, a, 1 - p)
                pairs.append(LabelledPair(case, chosen, rejected, judgement.rater, p))
    return pairs


def _write(path: Path, rows: Iterable[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
