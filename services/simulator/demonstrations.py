"""Demonstrations as a team of uneven writers gives them: good enough to teach answering, not the best."""

import random

from services.simulator.answers import DEFECTS, Defect, Writer
from services.simulator.cases import Case
from services.simulator.world import World

# Care of the writer -> (share of demonstrations, chance of each defect)
CARE = {"careful": (0.3, 0.04), "average": (0.4, 0.15), "careless": (0.3, 0.35)}


def demonstrate(world: World, pool: list[Case], seed: int) -> list[str]:
    """One response per case, aligned with `pool`."""
    rng, writer = random.Random(f"demonstrations-{seed}"), Writer(world)
    return [writer.write(case, _defects(rng), rng) for case in pool]


def _defects(rng: random.Random) -> set[Defect]:
    shares, chances = zip(*CARE.values(), strict=True)
    chance = rng.choices(chances, weights=shares)[0]
    return {defect for defect in DEFECTS if rng.random() < chance}
