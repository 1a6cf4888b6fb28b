"""Which pairs people judge, drawn from all there are, and the probability with which each was drawn.

Systematic sampling with probability proportional to size (Madow 1949): the probabilities are met exactly, and as
the candidates stand in the order of their prompts, every prompt gets its share.
"""

from collections.abc import Sequence

import numpy as np

UNIFORM_SHARE = 0.2  # of the probability that does not follow uncertainty: no pair is ever impossible


def draw(weights_N: np.ndarray, count: int, seed: int) -> tuple[list[int], np.ndarray]:
    """Places of `count` candidates (all, where there are no more), and each candidate's probability of being drawn."""
    probabilities_N = inclusion(weights_N, count)
    start = np.random.default_rng(seed).random()
    # A candidate is drawn where one of start, start + 1, … falls into its stretch of the line.
    reached_N = np.floor(np.round(np.cumsum(probabilities_N), 9) - start).astype(int)
    drawn_N = np.diff(reached_N, prepend=int(np.floor(-start))) > 0
    return np.flatnonzero(drawn_N).tolist(), probabilities_N


def inclusion(weights_N: np.ndarray, count: int) -> np.ndarray:
    """Proportional to the weights as far as that stays below 1; sums to `count`."""
    if count >= len(weights_N):
        return np.ones(len(weights_N))
    probabilities_N, certain_N = np.zeros(len(weights_N)), np.zeros(len(weights_N), bool)
    while True:
        left = count - certain_N.sum()
        probabilities_N = np.where(certain_N, 1.0, weights_N * left / weights_N[~certain_N].sum())
        over_N = probabilities_N > 1 + 1e-12
        if not over_N.any():
            return probabilities_N
        certain_N |= over_N


def uncertainty(scores_a: Sequence[Sequence[float]], scores_b: Sequence[Sequence[float]]) -> np.ndarray:
    """Weights of pairs from the scores that the members of an ensemble gave to either side (pairs × members).

    Several members: how far they are apart on the difference (its standard deviation). One: how close the difference
    is to 0, as the variance of its Bradley-Terry label. NaN is a score that failed: such a pair counts as an average
    one. A fifth of the probability is spread evenly.
    """
    differences_NM = np.asarray(scores_a, float) - np.asarray(scores_b, float)
    if differences_NM.shape[1] > 1:
        unsure_N = differences_NM.std(axis=1)
    else:
        chance_N = 1 / (1 + np.exp(-np.clip(differences_NM[:, 0], -30, 30)))
        unsure_N = chance_N * (1 - chance_N)
    known_N = unsure_N[~np.isnan(unsure_N)]
    if not known_N.sum():
        return np.ones(len(unsure_N))
    relative_N = np.nan_to_num(unsure_N / known_N.mean(), nan=1.0)
    return (1 - UNIFORM_SHARE) * relative_N + UNIFORM_SHARE
