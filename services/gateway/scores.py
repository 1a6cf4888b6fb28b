"""What the endpoints that score have in common: a score that is missing is an error, and never a number."""

import math
from collections.abc import Sequence

import rlhf

from services.gateway.errors import Refused

MAX_TEXTS = 1024  # of one request


def numbers(scores: Sequence[rlhf.Score], field: str) -> list[tuple[float, float]]:
    """(raw, normalised) of each. Raises Refused naming those that could not be scored."""
    failed = [f"{field}[{place}]: {score.error}" for place, score in enumerate(scores) if not score.ok]
    if failed:
        raise Refused(422, "; ".join(failed[:10]))
    return [number(score) for score in scores]


def number(score: rlhf.Score) -> tuple[float, float]:
    raw, normalized = score.raw, score.normalized
    assert raw is not None, "who asks has looked whether there is a score"
    assert normalized is not None, "it comes with the other"
    return raw, normalized


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
