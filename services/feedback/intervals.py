"""Estimates with 95 % intervals."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

Z = 1.959964
RESAMPLES, FEWEST_RESAMPLES = 400, 50
RESAMPLED_TERMS = 20_000_000  # at most, over all samples: memory stays bounded


@dataclass(frozen=True)
class Estimate:
    value: float
    low: float
    high: float
    count: int  # what it rests on


def share(hits: float, count: int) -> Estimate | None:
    """Wilson's score interval (1927), which holds for small counts and near 0 and 1; None without any."""
    if not count:
        return None
    value, z2 = hits / count, Z * Z
    center = (value + z2 / (2 * count)) / (1 + z2 / count)
    half = Z * math.sqrt(value * (1 - value) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return Estimate(value, max(0.0, center - half), min(1.0, center + half), count)


def ratio(numerators: ArrayLike, denominators: ArrayLike, seed: int = 0) -> Estimate | None:
    """Sum over sum, with a bootstrap over its terms; None where the denominators are all 0."""
    terms_N2 = np.stack([np.asarray(numerators, float), np.asarray(denominators, float)], axis=1)
    if not terms_N2.size or not terms_N2[:, 1].sum():
        return None
    counts_SN = resampled(len(terms_N2), seed)
    sums_S2 = counts_SN @ terms_N2
    ratios_S = sums_S2[:, 0] / np.where(sums_S2[:, 1] > 0, sums_S2[:, 1], np.nan)
    low, high = np.nanquantile(ratios_S, [0.025, 0.975])
    value_2 = terms_N2.sum(axis=0)
    return Estimate(float(value_2[0] / value_2[1]), float(low), float(high), len(terms_N2))


def resampled(count: int, seed: int) -> np.ndarray:
    """How often each of `count` terms is in each bootstrap sample (samples × terms)."""
    samples = min(RESAMPLES, max(FEWEST_RESAMPLES, RESAMPLED_TERMS // count))
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=samples)
