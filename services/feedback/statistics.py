"""How a campaign goes: agreement, and what each rater tends to."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from services.feedback.agreement import Agreement, agreement
from services.feedback.answers import Preference, Skip
from services.feedback.intervals import Estimate, share
from services.feedback.judgements import FIRST_TIME, REPEAT, Judgement
from services.feedback.reliability import reliabilities
from services.feedback.snapshot import Snapshot, Unit, Vote, votes_of


@dataclass(frozen=True)
class RaterStatistics:
    rater: str
    judgements: int
    skips: int
    undone: int
    gold_accuracy: Estimate | None
    repeat_consistency: Estimate | None
    first_preferred: Estimate | None
    longer_preferred: Estimate | None
    agreement: Estimate | None
    reliability: float | None
    median_seconds: float


@dataclass(frozen=True)
class SourceStatistics:
    source: str
    wins: int
    losses: int
    ties: int
    win_rate: Estimate


@dataclass(frozen=True)
class Statistics:
    agreement: Agreement
    domains: dict[str, Agreement]
    raters: list[RaterStatistics]
    sources: list[SourceStatistics]
    days: dict[str, int]
    longer_preferred: Estimate | None


def statistics(snapshot: Snapshot) -> Statistics:
    votes = snapshot.votes()
    domains = defaultdict[str, list[Vote]](list)
    for vote in votes:
        domains[snapshot.items[vote.unit[0]].domain].append(vote)
    by_rater = defaultdict[str, list[Judgement]](list)
    for judgement in snapshot.standing():
        by_rater[judgement.rater].append(judgement)
    everyone = [judgement for judgements in by_rater.values() for judgement in judgements]
    return Statistics(
        agreement=agreement(votes),
        domains={domain: agreement(some) for domain, some in sorted(domains.items()) if domain},
        raters=_raters(snapshot, by_rater, votes),
        sources=_sources(snapshot, votes),
        days=dict(sorted(Counter(_day(judgement.at) for judgement in everyone).items())),
        longer_preferred=longer_preferred(snapshot, everyone),
    )


def first_preferred(judgements: Sequence[Judgement]) -> Estimate | None:
    """Share of preferences for what stood first. The order is random: without a bias it is a half."""
    chosen = [position for judgement in judgements if (position := _preferred_position(judgement)) is not None]
    return share(chosen.count(0), len(chosen))


def longer_preferred(snapshot: Snapshot, judgements: Sequence[Judgement]) -> Estimate | None:
    """Share of preferences for the response with more words, where they differ in that."""
    longer = count = 0
    for judgement in judgements:
        responses = snapshot.items[judgement.item].responses
        for vote in votes_of(judgement):
            words = [len(responses[place].split()) for place in vote.unit[1:]]
            if vote.winner is not None and words[0] != words[1]:
                count += 1
                longer += (vote.winner == vote.unit[1]) == (words[0] > words[1])
    return share(longer, count)


def repeat_consistency(judgements: Sequence[Judgement]) -> Estimate | None:
    """Share of swapped repeats that were answered as the first time."""
    first = {j.item: votes_of(j)[0].winner for j in judgements if j.occasion == FIRST_TIME and _has_votes(j)}
    again = [j for j in judgements if j.occasion == REPEAT and _has_votes(j) and j.item in first]
    return share(sum(votes_of(j)[0].winner == first[j.item] for j in again), len(again))


def _raters(snapshot: Snapshot, by_rater: dict[str, list[Judgement]], votes: Sequence[Vote]) -> list[RaterStatistics]:
    gold, agreeing = _hits(snapshot.gold_results()), _agreeing(votes)
    reliable = reliabilities(votes, snapshot.gold_results())
    undone = Counter(judgement.rater for judgement in snapshot.judgements if judgement.id in snapshot.undone)
    return [
        RaterStatistics(
            rater=rater,
            judgements=sum(not isinstance(judgement.answer, Skip) for judgement in judgements),
            skips=sum(isinstance(judgement.answer, Skip) for judgement in judgements),
            undone=undone[rater],
            gold_accuracy=share(*gold[rater]),
            repeat_consistency=repeat_consistency(judgements),
            first_preferred=first_preferred(judgements),
            longer_preferred=longer_preferred(snapshot, judgements),
            agreement=share(*agreeing[rater]),
            reliability=reliable.get(rater),
            median_seconds=median([judgement.milliseconds for judgement in judgements]) / 1000,
        )
        for rater, judgements in sorted(by_rater.items())
    ]


def _agreeing(votes: Sequence[Vote]) -> dict[str, tuple[int, int]]:
    """Of each rater's votes against every other vote on the same unit: how many are the same, and of how many."""
    on_unit, alike = Counter[Unit](), Counter[tuple[Unit, int | None]]()
    for vote in votes:
        on_unit[vote.unit] += 1
        alike[vote.unit, vote.winner] += 1
    found = defaultdict[str, tuple[int, int]](lambda: (0, 0))
    for vote in votes:
        hits, count = found[vote.rater]
        found[vote.rater] = hits + alike[vote.unit, vote.winner] - 1, count + on_unit[vote.unit] - 1
    return found


def _hits(results: Iterable[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    """Hits and count, by rater."""
    found = defaultdict[str, tuple[int, int]](lambda: (0, 0))
    for rater, hit in results:
        hits, count = found[rater]
        found[rater] = hits + hit, count + 1
    return found


def _sources(snapshot: Snapshot, votes: Sequence[Vote]) -> list[SourceStatistics]:
    """Best first; a response against one of the same source says nothing."""
    wins, losses, ties = Counter[str](), Counter[str](), Counter[str]()
    for vote in votes:
        sources = snapshot.items[vote.unit[0]].sources
        if not sources or sources[vote.unit[1]] == sources[vote.unit[2]]:
            continue
        a, b = (sources[place] for place in vote.unit[1:])
        if vote.winner is None:
            ties.update((a, b))
        else:
            wins[sources[vote.winner]] += 1
            losses[b if sources[vote.winner] == a else a] += 1
    found = [_source(name, wins[name], losses[name], ties[name]) for name in wins.keys() | losses.keys() | ties.keys()]
    return sorted(found, key=lambda source: (-source.win_rate.value, source.source))


def _source(name: str, wins: int, losses: int, ties: int) -> SourceStatistics:
    count = wins + losses + ties
    rate = share(wins + ties / 2, count)
    assert rate is not None, "it has a vote"
    return SourceStatistics(name, wins, losses, ties, rate)


def _preferred_position(judgement: Judgement) -> int | None:
    return judgement.answer.choice.position if isinstance(judgement.answer, Preference) else None


def _has_votes(judgement: Judgement) -> bool:
    return isinstance(judgement.answer, Preference)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
