"""Items that could be made of the responses to some prompts, and the draw among them."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from services.feedback.items import PAIR, Item
from services.feedback.recipe import CampaignPrompt
from services.feedback.selection import draw

Response = tuple[str, str]  # text and source


@dataclass(frozen=True)
class Candidate:
    prompt: CampaignPrompt
    responses: tuple[Response, ...]
    probability: float = 1.0  # of being a candidate at all

    def item(self, drawn: float) -> Item:
        texts, sources = zip(*self.responses) if self.responses else ((), ())
        return Item(
            self.prompt.prompt,
            tuple(texts),
            sources=tuple(sources),
            domain=self.prompt.domain,
            propensity=self.probability * drawn,
        )


def candidates(
    prompts: Sequence[CampaignPrompt], responses: Sequence[Sequence[Response]], size: int, rng: random.Random
) -> list[Candidate]:
    """In the order of the prompts: every pair of different responses; for more than two, groups that share none."""
    found = []
    for prompt, texts in zip(prompts, responses, strict=True):
        different = list({text: (text, source) for text, source in reversed(texts) if text.strip()}.values())
        rng.shuffle(different)  # else the source would follow from the place
        found += _pairs(prompt, different) if size == PAIR else _groups(prompt, different, size)
    return found


def drawn_items(found: Sequence[Candidate], weights_N: np.ndarray, count: int, seed: int) -> list[Item]:
    places, probabilities_N = draw(weights_N, count, seed)
    return [found[place].item(float(probabilities_N[place])) for place in places]


def _pairs(prompt: CampaignPrompt, different: list[Response]) -> list[Candidate]:
    return [Candidate(prompt, pair) for pair in itertools.combinations(different, PAIR)]


def _groups(prompt: CampaignPrompt, different: list[Response], size: int) -> list[Candidate]:
    """A random partition: each set of `size` responses is one of its groups with the same probability."""
    number = len(different) // size if size else 1
    probability = number / comb(len(different), size) if number else 0.0
    return [Candidate(prompt, tuple(different[i * size : (i + 1) * size]), probability) for i in range(number)]
