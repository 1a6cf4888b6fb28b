"""Compares two models by gold: bootstrap intervals over subjects, plain and at matched length."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

# Fixed before any training was tuned, in points of gold (one flattery is 0.2, the form of an answer 0.5).
MINIMUM_EFFECT = {"sft over base": 0.5, "ppo over sft": 0.2, "dpo over sft": 0.2}
# Prompts asked of each family, as far as it has them.
PER_FAMILY = {"held_out": 40, "unseen_template": 15, "unseen_family": 40}
RESAMPLES = 2000
WORDS_PER_BIN = 4


@dataclass(frozen=True)
class Effect:
    """A difference with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    prompts: int
    coverage: float = 1.0  # share of the answers that could be compared

    def above(self, bar: float) -> bool:
        return self.low > max(0.0, bar)


@dataclass(frozen=True)
class Judged:
    """One model's answers to P prompts with S samples each.

    Prompts about one subject succeed and fail together, so intervals come from resampling (family, subject) pairs.
    """

    families_P: list[str]
    subjects_P: list[str]
    gold_PS: np.ndarray
    words_PS: np.ndarray


def effect(better: Judged, worse: Judged, seed: int = 0) -> Effect:
    """Mean gold of `better` minus that of `worse`, on the same prompts."""
    difference_P = better.gold_PS.mean(1) - worse.gold_PS.mean(1)
    return _bootstrap(lambda rows: float(difference_P[rows].mean()), better, seed)


def effect_at_matched_length(better: Judged, worse: Judged, seed: int = 0) -> Effect:
    """The same among answers of one family and one length (bins of four words), averaged over the bins both have.

    A bin with n and m answers weighs n·m/(n+m). NaN where the two models share no bin; `coverage` is the share of all
    answers that lie in shared bins.
    """
    families = np.unique(better.families_P, return_inverse=True)[1]
    bins = np.concatenate([_bins(families, model.words_PS) for model in (better, worse)], axis=1)
    bins_PT = np.unique(bins, return_inverse=True)[1].reshape(bins.shape)
    gold_PT = np.concatenate([better.gold_PS, worse.gold_PS], axis=1)
    first_T = np.arange(gold_PT.shape[1]) < better.gold_PS.shape[1]

    def matched(rows: np.ndarray) -> float:
        size = int(bins_PT.max()) + 1
        sums, counts = [], []
        for side_T in (first_T, ~first_T):
            cells = bins_PT[rows][:, side_T].ravel()
            counts.append(np.bincount(cells, minlength=size))
            sums.append(np.bincount(cells, weights=gold_PT[rows][:, side_T].ravel(), minlength=size))
        both = (counts[0] > 0) & (counts[1] > 0)
        n, m = counts[0][both], counts[1][both]
        weights = n * m / (n + m)
        differences = sums[0][both] / n - sums[1][both] / m
        return float((weights * differences).sum() / weights.sum()) if both.any() else float("nan")

    return replace(_bootstrap(matched, better, seed), coverage=_coverage(bins_PT, first_T))


def _bins(families_P: np.ndarray, words_PS: np.ndarray) -> np.ndarray:
    return families_P[:, None] * 1000 + np.minimum(words_PS // WORDS_PER_BIN, 999)


def _coverage(bins_PT: np.ndarray, first_T: np.ndarray) -> float:
    shared = np.intersect1d(bins_PT[:, first_T], bins_PT[:, ~first_T])
    return float(np.isin(bins_PT, shared).mean())


def _bootstrap(statistic: Callable[[np.ndarray], float], judged: Judged, seed: int) -> Effect:
    rng, prompts = np.random.default_rng(seed), len(judged.families_P)
    names = [f"{family}/{subject}" for family, subject in zip(judged.families_P, judged.subjects_P, strict=True)]
    clusters = np.unique(names, return_inverse=True)[1]
    members = [np.flatnonzero(clusters == cluster) for cluster in range(clusters.max() + 1)]
    draws = []
    for _ in range(RESAMPLES):
        picked = rng.integers(0, len(members), len(members))
        draws.append(statistic(np.concatenate([members[cluster] for cluster in picked])))
    low, high = np.quantile(draws, [0.025, 0.975])  # NaN where no draw has a common bin
    return Effect(statistic(np.arange(prompts)), float(low), float(high), prompts)
