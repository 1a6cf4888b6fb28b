"""A campaign at one moment, so that a thread can count while judgements come in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.feedback.answers import Skip, Undo, verdicts
from services.feedback.campaign import Campaign
from services.feedback.items import Item
from services.feedback.judgements import FIRST_TIME, Judgement
from services.feedback.recipe import CampaignSpec

Unit = tuple[str, int, int]
"""An item and two places of its responses: what a vote decides. A pair is one unit, a ranking of K is K(K-1)/2."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one judgement says of one unit."""

    unit: Unit
    rater: str
    winner: int | None  # place in the item; None: neither
    strength: int


@dataclass(frozen=True)
class Snapshot:
    spec: CampaignSpec
    items: Mapping[str, Item]
    judgements: tuple[Judgement, ...]  # in the order they were made
    undone: frozenset[str]

    def standing(self) -> Iterator[Judgement]:
        """Skips as well; neither what was undone nor the undoing."""
        for judgement in self.judgements:
            if judgement.id not in self.undone and not isinstance(judgement.answer, Undo):
                yield judgement

    def answers(self) -> Iterator[Judgement]:
        """What counts: one of each rater for each item, neither gold nor repeats nor skips."""
        for judgement in self.standing():
            counted = judgement.occasion == FIRST_TIME and not isinstance(judgement.answer, Skip)
            if counted and self.items[judgement.item].gold is None:
                yield judgement

    def votes(self) -> list[Vote]:
        return [vote for judgement in self.answers() for vote in votes_of(judgement)]

    def gold_results(self) -> Iterator[tuple[str, bool]]:
        """Rater, and whether the known answer was given; a tie is not."""
        for judgement in self.standing():
            gold = self.items[judgement.item].gold
            if gold is not None and not isinstance(judgement.answer, Skip):
                yield judgement.rater, any(v.winner == gold for v in votes_of(judgement))


def votes_of(judgement: Judgement) -> list[Vote]:
    found = verdicts(judgement.answer, judgement.order)
    return [Vote((judgement.item, v.a, v.b), judgement.rater, v.winner, v.strength) for v in found]


def snapshot(campaign: Campaign) -> Snapshot:
    tally = campaign.tally
    judgements = tuple(tally.judgements.values())
    return Snapshot(campaign.spec, dict(tally.items), judgements, frozenset(tally.undone))
