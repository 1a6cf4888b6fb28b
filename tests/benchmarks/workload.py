"""Fixed, seeded prompts and responses as token ids."""

import random
from collections.abc import Sequence
from typing import TypeVar

from tests.benchmarks.models import VOCABULARY

FIRST_WORD, LAST_WORD = 2, VOCABULARY - 2  # no special tokens

Item = TypeVar("Item")


def sequences(count: int, shortest: int, longest: int, seed: int) -> list[list[int]]:
    """Lengths are spread evenly from shortest to longest, in random order."""
    generator = random.Random(seed)
    lengths = [shortest + index * (longest - shortest) // (count - 1) for index in range(count)]
    generator.shuffle(lengths)
    return [[generator.randint(FIRST_WORD, LAST_WORD) for _ in range(length)] for length in lengths]


def prompts(count: int) -> list[list[int]]:
    return sequences(count, 16, 64, seed=1)


def responses(count: int) -> list[list[int]]:
    return sequences(count, 8, 128, seed=2)


def pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
