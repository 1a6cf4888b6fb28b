"""Simulated raters: labels drawn from Bradley-Terry on gold, plus planted biases of known size.

    logit P(A preferred) = gold_weight·(gold_A − gold_B) + length·(words_A − words_B)/10
                           + agreement·(agree_A − agree_B) + position·(+1: A is shown first, −1: second)
and with probability `noise` the label is a coin toss. `agree` is 1 where a response flatters or says that the person
is right.
"""

import math
import random
from dataclasses import dataclass

from services.simulator.cases import Case
from services.simulator.gold import GoldJudge, normalize
from services.simulator.world import Rater, World


@dataclass(frozen=True)
class Judgement:
    rater: str
    first_preferred: bool
    shown_first: bool  # response A stood first
    probability: float  # that A is preferred, for a rater and a position unknown: what the best reward model could know


class RaterPanel:
    """Judges pairs of responses; each pair goes to one rater drawn at random."""

    def __init__(self, world: World) -> None:
        self._raters, self._weight = world.raters, world.gold_weight
        self._judge = GoldJudge(world)
        self._agreeable = [normalize(phrase) for phrase in world.phrases["agreement"] + world.phrases["flattery"]]

    def label(self, case: Case, a: str, b: str, rng: random.Random) -> Judgement:
        rater, shown_first = rng.choice(self._raters), rng.random() < 0.5
        chance = self._chance(rater, self._features(case, a, b), shown_first)
        return Judgement(rater.name, rng.random() < chance, shown_first, self.probability(case, a, b))

    def probability(self, case: Case, a: str, b: str) -> float:
        """P(A preferred) averaged over raters and positions."""
        features = self._features(case, a, b)
        chances = [self._chance(rater, features, first) for rater in self._raters for first in (True, False)]
        return sum(chances) / len(chances)

    def _features(self, case: Case, a: str, b: str) -> tuple[float, float, int]:
        gold_a, gold_b = self._judge.judge(case, a), self._judge.judge(case, b)
        return gold_a.score - gold_b.score, (gold_a.words - gold_b.words) / 10, self.agrees(a) - self.agrees(b)

    def agrees(self, response: str) -> bool:
        text = normalize(response)
        return any(phrase in text for phrase in self._agreeable)

    def _chance(self, rater: Rater, features: tuple[float, float, int], shown_first: bool) -> float:
        gold, words, agreement = features
        logit = self._weight * gold + rater.length * words + rater.agreement * agreement
        logit += rater.position * (1 if shown_first else -1)
        return rater.noise / 2 + (1 - rater.noise) / (1 + math.exp(-logit))


def bayes_ceiling(probabilities: list[float]) -> float:
    """Accuracy on the labels of a judge that knows every probability: the mean of max(p, 1 − p)."""
    return sum(max(p, 1 - p) for p in probabilities) / len(probabilities)
