"""How good a rater is, told from agreement alone, and how likely the better response then is.

One-coin Dawid-Skene (Dawid & Skene 1979; Zhang et al. 2016) by crowd-kit: every rater is right with a probability of
his own, whichever response is the better one. Deviations: votes for neither say nothing here; known answers to gold
items count as votes that were right or wrong; and every probability is drawn towards an average rater's by a few
votes, as two lucky answers do not make an expert.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.feedback.snapshot import Unit, Vote

ITERATIONS = 100
AVERAGE, AVERAGE_VOTES = 0.75, 4  # what is believed of a rater before any vote, and how many votes that weighs
MOST = 0.99  # nobody's single vote decides


def reliabilities(votes: Iterable[Vote], gold: Iterable[tuple[str, bool]]) -> dict[str, float]:
    """P(right) of every rater whose votes could be compared with others' or with gold."""
    right, known = Counter[str](), Counter[str]()
    for rater, hit in gold:
        right[rater] += hit
        known[rater] += 1
    expected, compared = _dawid_skene(votes)
    raters = known.keys() | compared.keys()
    return {rater: _drawn(right[rater] + expected.get(rater, 0.0), known[rater] + compared[rater]) for rater in raters}


def _drawn(right: float, count: int) -> float:
    return min(MOST, (right + AVERAGE * AVERAGE_VOTES) / (count + AVERAGE_VOTES))


def _dawid_skene(votes: Iterable[Vote]) -> tuple[dict[str, float], Counter[str]]:
    """Votes that each rater probably had right, and how many could be compared."""
    by_unit: dict[Unit, list[Vote]] = defaultdict(list)
    for vote in votes:
        if vote.winner is not None:
            by_unit[vote.unit].append(vote)
    shared = [vote for group in by_unit.values() if len(group) > 1 for vote in group]
    compared = Counter(vote.rater for vote in shared)
    if len({vote.winner == vote.unit[1] for vote in shared}) < 2:
        return {rater: float(count) for rater, count in compared.items()}, compared  # all say the same
    import pandas  # both take a second to load, which only statistics need
    from crowdkit.aggregation import OneCoinDawidSkene

    columns = {
        "task": pandas.factorize(pandas.Series([vote.unit for vote in shared]))[0],
        "worker": [vote.rater for vote in shared],
        "label": [int(vote.winner != vote.unit[1]) for vote in shared],
    }
    skills = OneCoinDawidSkene(n_iter=ITERATIONS).fit(pandas.DataFrame(columns)).skills_
    return {str(rater): float(skill) * compared[str(rater)] for rater, skill in skills.items()}, compared


def probability(votes: Sequence[Vote], reliable: Mapping[str, float]) -> float | None:
    """That the unit's first response is the better one, from the votes on it; None where none has a preference.

    Both responses are equally likely to be the better one beforehand, as their order is random.
    """
    preferring = [vote for vote in votes if vote.winner is not None]
    if not preferring:
        return None
    log_odds = 0.0
    for vote in preferring:
        chance = reliable.get(vote.rater, AVERAGE)
        log_odds += math.log(chance / (1 - chance)) * (1 if vote.winner == vote.unit[1] else -1)
    return 1 / (1 + math.exp(-log_odds))
