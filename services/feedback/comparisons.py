"""Judgements become comparisons: one per judgement, or one per pair of responses."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.data.records import Comparison
from services.feedback.items import Item
from services.feedback.reliability import probability, reliabilities
from services.feedback.snapshot import Snapshot, Unit, Vote

NO_WEIGHT = 1e-3  # below: the raters cancel each other out


class Aggregation(StrEnum):
    RELIABILITY = "reliability"
    MAJORITY = "majority"
    VOTES = "votes"


@dataclass(frozen=True)
class Compared:
    """`votes` are those behind it."""

    item: Item
    chosen: int  # place in the item
    rejected: int
    weight: float | None
    margin: float | None  # mean strength in favour of the chosen one, where strength was asked
    votes: Sequence[Vote]

    @property
    def record(self) -> Comparison:
        chosen, rejected = (self.item.responses[place] for place in (self.chosen, self.rejected))
        return Comparison(self.item.prompt, chosen, rejected, self.margin, self.weight)


def compared(snapshot: Snapshot, aggregation: Aggregation) -> tuple[list[Compared], int]:
    """In the order of the items; and how many pairs with votes gave no comparison."""
    by_unit = defaultdict[Unit, list[Vote]](list)
    for vote in snapshot.votes():
        by_unit[vote.unit].append(vote)
    places = {item: place for place, item in enumerate(snapshot.items)}
    units = sorted(by_unit, key=lambda unit: (places[unit[0]], *unit[1:]))
    if aggregation is Aggregation.VOTES:
        found = [_compared(snapshot, unit, [vote], vote.winner, None) for unit in units for vote in by_unit[unit]]
    elif aggregation is Aggregation.MAJORITY:
        found = [_compared(snapshot, unit, by_unit[unit], _majority(by_unit[unit]), None) for unit in units]
    else:
        reliable = reliabilities(snapshot.votes(), snapshot.gold_results())
        found = [_weighted(snapshot, unit, by_unit[unit], reliable) for unit in units]
    kept = [one for one in found if one]
    return kept, len(units) - len({(one.item.id, *sorted((one.chosen, one.rejected))) for one in kept})


def _majority(votes: Sequence[Vote]) -> int | None:
    _, a, b = votes[0].unit
    lead = sum((vote.winner == a) - (vote.winner == b) for vote in votes)
    return None if lead == 0 else (a if lead > 0 else b)


def _weighted(snapshot: Snapshot, unit: Unit, votes: Sequence[Vote], reliable: Mapping[str, float]) -> Compared | None:
    """Weight 2p - 1: what a pair with the label's probability p is worth beside one that is certain."""
    chance = probability(votes, reliable)
    weight = 0.0 if chance is None else round(abs(2 * chance - 1), 6)
    if chance is None or weight < NO_WEIGHT:
        return None
    return _compared(snapshot, unit, votes, unit[1] if chance > 0.5 else unit[2], weight)


def _compared(
    snapshot: Snapshot, unit: Unit, votes: Sequence[Vote], winner: int | None, weight: float | None
) -> Compared | None:
    if winner is None:
        return None
    item, a, b = unit
    margin = _margin(votes, winner) if snapshot.spec.strength else None
    return Compared(snapshot.items[item], winner, b if winner == a else a, weight, margin, votes)


def _margin(votes: Sequence[Vote], winner: int) -> float:
    signed = [0 if vote.winner is None else vote.strength * (1 if vote.winner == winner else -1) for vote in votes]
    return round(max(0.0, sum(signed) / len(signed)), 6)
