"""Which prompts the stages may see, and which only the evaluation does."""

import hashlib
import random
from collections.abc import Iterable
from typing import Literal

from services.simulator.cases import Case
from services.simulator.families import all_cases
from services.simulator.world import World

Split = Literal["train", "held_out", "unseen_template", "unseen_family"]
HELD_OUT_SHARE = 0.2


def split_of(case: Case) -> Split:
    """By the hash of the prompt, so that the split is the same for every seed and every process."""
    if case.family == "compare":
        return "unseen_family"
    if case.unseen:
        return "unseen_template"
    bucket = int(hashlib.sha256(case.prompt.encode()).hexdigest()[:8], 16) / 2**32
    return "held_out" if bucket < HELD_OUT_SHARE else "train"


def cases(world: World, split: Split) -> list[Case]:
    return [case for case in all_cases(world) if split_of(case) == split]


def draw(pool: Iterable[Case], count: int, seed: int) -> list[Case]:
    """`count` cases with every family equally likely; a family repeats its cases only when all were drawn."""
    rng = random.Random(f"draw-{seed}")
    by_family = _by_family(pool)
    decks: dict[str, list[Case]] = {family: [] for family in by_family}
    chosen: list[Case] = []
    while len(chosen) < count:
        families = rng.sample(list(by_family), len(by_family))
        for family in families[: count - len(chosen)]:
            if not decks[family]:
                decks[family] = rng.sample(by_family[family], len(by_family[family]))
            chosen.append(decks[family].pop())
    return chosen


def spread(pool: Iterable[Case], per_family: int, seed: int) -> list[Case]:
    """Distinct cases, at most `per_family` of each family: what an evaluation asks."""
    rng = random.Random(f"spread-{seed}")
    groups = _by_family(pool).values()
    return [case for group in groups for case in rng.sample(group, min(per_family, len(group)))]


def _by_family(pool: Iterable[Case]) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = {}
    for case in pool:
        groups.setdefault(case.family, []).append(case)
    return groups
