"""Simulated people who answer a campaign as it asks: one rater each, with the biases of `raters.py`.

Every response has a utility: the logits that `raters.py` adds up, with the position's shared out over the places. The
rater ranks by utility plus Gumbel noise (Plackett-Luce), which for two responses is the Bradley-Terry label there.
"""

import math
import random
from collections.abc import Sequence

from services.runtime.errors import InvalidInput, Problem
from services.simulator.cases import Case
from services.simulator.demonstrations import demonstrate
from services.simulator.families import all_cases
from services.simulator.gold import GoldJudge
from services.simulator.raters import RaterPanel
from services.simulator.world import Rater, World, load_world

CLEAR, VERY_CLEAR = 1.0, 2.5  # logits between two responses from which somebody says "better" and "much better"


class Annotator:
    """Not for several threads at once: what it says depends on what it said before, by `seed`."""

    def __init__(self, world: World, rater: Rater, cases: dict[str, Case], seed: int = 0) -> None:
        self.rater = rater
        self._world, self._cases, self._seed = world, cases, seed
        self._judge, self._panel = GoldJudge(world), RaterPanel(world)
        self._rng = random.Random(f"{rater.name}-{seed}")

    def rank(self, prompt: str, responses: Sequence[str]) -> tuple[list[int], int]:
        """Places of the responses, best first, and how clear the first one's lead is: 1 slightly to 3 much better."""
        utilities = self._utilities(self._case(prompt), responses)
        if self._rng.random() < self.rater.noise:
            order = self._rng.sample(range(len(responses)), len(responses))
        else:
            felt = [utility - math.log(-math.log(self._rng.random() or 1e-12)) for utility in utilities]
            order = sorted(range(len(responses)), key=felt.__getitem__, reverse=True)
        lead = abs(utilities[order[0]] - utilities[order[1]])
        return order, 1 + (lead > CLEAR) + (lead > VERY_CLEAR)

    def write(self, prompt: str) -> str:
        """A demonstration, of simulated care."""
        return demonstrate(self._world, [self._case(prompt)], self._rng.getrandbits(32))[0]

    def _utilities(self, case: Case, responses: Sequence[str]) -> list[float]:
        rater, last = self.rater, len(responses) - 1
        golds = [self._judge.judge(case, response) for response in responses]
        return [
            self._world.gold_weight * gold.score
            + rater.length * gold.words / 10
            + rater.agreement * self._panel.agrees(response)
            + rater.position * (0.5 - place / last)
            for place, (gold, response) in enumerate(zip(golds, responses, strict=True))
        ]

    def _case(self, prompt: str) -> Case:
        if case := self._cases.get(prompt):
            return case
        expected = f"a prompt of the world {self._world.name}: simulated raters know no other"
        raise InvalidInput(Problem("prompt", repr(prompt[:80]), expected))


def annotators(world: str, count: int, random_count: int = 0, seed: int = 0) -> list[Annotator]:
    """`count` people of a world, in turn, of whom the last `random_count` toss coins."""
    if not 0 <= random_count <= count or count < 1:
        raise InvalidInput(
            Problem("raters", f"{count}, {random_count} of them random", "1 or more, not fewer than random")
        )
    loaded = load_world(world)
    cases = {case.prompt: case for case in all_cases(loaded)}
    people = []
    for index in range(count):
        person = loaded.raters[index % len(loaded.raters)]
        name = f"sim-{person.name}" + (f"-{index // len(loaded.raters) + 1}" if index >= len(loaded.raters) else "")
        coin = Rater(f"sim-coin-{index + 1}", length=0.0, agreement=0.0, position=0.0, noise=1.0)
        known = Rater(name, person.length, person.agreement, person.position, person.noise)
        people.append(Annotator(loaded, coin if index >= count - random_count else known, cases, seed))
    return people
