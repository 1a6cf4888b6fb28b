"""Whether raters say the same: Cohen's and Fleiss' kappa and Krippendorff's alpha, with bootstraps over the units.

A vote says one, the other or neither (a tie and both bad alike) of a unit's two responses. Intervals resample units, as
the votes on one unit go together.

Kappas and alpha compare with what chance would give from how often each category is said, which is known well only
where no category prevails and the units are many. Hence which response is "one" follows from a hash of the unit:
whoever adds items may always put the better one first, and raters, who never see that order, would seem to agree by
chance alone.
"""

import itertools
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import krippendorff
import numpy as np

from services.feedback.intervals import RESAMPLES, Estimate, ratio, resampled
from services.feedback.snapshot import Unit, Vote

CATEGORIES = 3
MIN_UNITS = 10  # for a kappa or alpha: of fewer, a resample often holds one category alone
MIN_SHARED = 10  # units of a pair of raters, for a kappa of theirs: of fewer it is mostly noise


@dataclass(frozen=True)
class Agreement:
    units: int  # with two votes or more
    votes: int  # on these
    agreement: Estimate | None  # share of pairs of votes on a unit that are the same
    cohen_kappa: Estimate | None
    fleiss_kappa: Estimate | None
    krippendorff_alpha: Estimate | None


def agreement(votes: Iterable[Vote]) -> Agreement:
    by_unit: dict[Unit, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_unit[vote.unit].append(vote)
    shared = [group for group in by_unit.values() if len(group) > 1]
    if not shared:
        return Agreement(0, 0, None, None, None, None)
    counts_NC = np.zeros((len(shared), CATEGORIES), int)
    for place, group in enumerate(shared):
        for vote in group:
            counts_NC[place, category(vote)] += 1
    same_N, pairs_N = pairs(counts_NC)
    return Agreement(
        units=len(shared),
        votes=int(counts_NC.sum()),
        agreement=ratio(same_N, pairs_N),
        cohen_kappa=_cohen(shared),
        fleiss_kappa=_bootstrapped(counts_NC, fleiss_kappas),
        krippendorff_alpha=_krippendorff(counts_NC),
    )


def category(vote: Vote) -> int:
    """2 neither; 0 and 1 the responses, in an order of the unit's own."""
    if vote.winner is None:
        return 2
    turned = zlib.crc32("\0".join(map(str, vote.unit)).encode()) & 1
    return int(vote.winner != vote.unit[1]) ^ turned


def pairs(counts_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each unit: pairs of votes that are the same, and all pairs."""
    votes_N = counts_NC.sum(axis=1)
    return (counts_NC * (counts_NC - 1)).sum(axis=1) / 2, votes_N * (votes_N - 1) / 2


def fleiss_kappas(counts_NC: np.ndarray, weights_SN: np.ndarray) -> np.ndarray:
    """Fleiss 1971, for units with different numbers of votes: each unit's agreement counts once. One for each sample,
    which says how often a unit is in it. NaN where all votes are the same: nothing tells chance from agreement."""
    same_N, pairs_N = pairs(counts_NC)
    observed_S = weights_SN @ (same_N / pairs_N) / weights_SN.sum(axis=1)
    totals_SC = weights_SN @ counts_NC
    shares_SC = totals_SC / totals_SC.sum(axis=1, keepdims=True)
    return corrected(observed_S, (shares_SC**2).sum(axis=1))


def krippendorff_alphas(counts_NC: np.ndarray, weights_SN: np.ndarray) -> np.ndarray:
    """Nominal alpha of each sample; what `krippendorff.alpha` gives, which knows no weights of units."""
    votes_N = counts_NC.sum(axis=1)
    same_N, pairs_N = pairs(counts_NC)
    totals_SC = weights_SN @ counts_NC
    total_S = totals_SC.sum(axis=1)
    observed_S = weights_SN @ (same_N / pairs_N * votes_N) / total_S
    expected_S = (totals_SC * (totals_SC - 1)).sum(axis=1) / (total_S * (total_S - 1))
    return corrected(observed_S, expected_S)


def cohen_kappas(tables_SCC: np.ndarray) -> np.ndarray:
    """Cohen 1960, of tables of two raters' counts: table[i, j] units were called i by one and j by the other."""
    shares_SCC = tables_SCC / np.maximum(tables_SCC.sum(axis=(1, 2), keepdims=True), 1)
    observed_S = np.trace(shares_SCC, axis1=1, axis2=2)
    expected_S = (shares_SCC.sum(axis=1) * shares_SCC.sum(axis=2)).sum(axis=1)
    return corrected(observed_S, expected_S)


def corrected(observed_S: np.ndarray, expected_S: np.ndarray) -> np.ndarray:
    """For chance; NaN where chance explains everything."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected_S < 1 - 1e-12, (observed_S - expected_S) / (1 - expected_S), np.nan)


def _krippendorff(counts_NC: np.ndarray) -> Estimate | None:
    found = _bootstrapped(counts_NC, krippendorff_alphas)
    if found is None:
        return None
    return replace(found, value=float(krippendorff.alpha(value_counts=counts_NC, level_of_measurement="nominal")))


def _cohen(shared: Sequence[Sequence[Vote]]) -> Estimate | None:
    """Mean over pairs of raters, weighted by the units that both judged."""
    cells: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for unit, group in enumerate(shared):
        for one, other in itertools.combinations(sorted(group, key=lambda vote: vote.rater), 2):
            cells[one.rater, other.rater].append((unit, category(one) * CATEGORIES + category(other)))
    # The first sample is the data themselves.
    samples_SN = np.vstack([np.ones(len(shared), int), resampled(len(shared), seed=0)])
    totals_S, sizes_S, used = np.zeros(len(samples_SN)), np.zeros(len(samples_SN)), set[int]()
    for pair in cells.values():
        if len(pair) >= MIN_SHARED:
            units_N, cells_N = np.array(pair).T
            tables_SCC = (samples_SN[:, units_N] @ np.eye(CATEGORIES**2)[cells_N]).reshape(-1, CATEGORIES, CATEGORIES)
            kappas_S, counts_S = cohen_kappas(tables_SCC), tables_SCC.sum(axis=(1, 2))
            totals_S += np.where(np.isnan(kappas_S), 0, kappas_S * counts_S)
            sizes_S += np.where(np.isnan(kappas_S), 0, counts_S)
            used |= set(units_N.tolist())
    if not sizes_S[0]:
        return None
    means_S = totals_S / np.where(sizes_S > 0, sizes_S, np.nan)
    return _estimate(float(means_S[0]), means_S[1:].tolist(), len(used))


def _bootstrapped(counts_NC: np.ndarray, statistic: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Estimate | None:
    """Units that look alike are counted once, with a weight, so that it takes as long for many as for few.

    None for fewer than MIN_UNITS, and where all votes are the same.
    """
    if len(counts_NC) < MIN_UNITS:
        return None
    kinds_KC, sizes_K = np.unique(counts_NC, axis=0, return_counts=True)
    samples_SK = np.random.default_rng(0).multinomial(len(counts_NC), sizes_K / len(counts_NC), size=RESAMPLES)
    value, *samples = statistic(kinds_KC, np.vstack([sizes_K, samples_SK])).tolist()
    return None if value != value else _estimate(value, samples, len(counts_NC))


def _estimate(value: float, samples: Sequence[float], count: int) -> Estimate:
    known = [sample for sample in samples if sample == sample]
    low, high = np.quantile(known, [0.025, 0.975]) if known else (value, value)
    return Estimate(value, float(low), float(high), count)
