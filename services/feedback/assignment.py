"""Who judges what next, in which order it is shown, under an id that belongs to one rater.

Everything drawn here follows from the campaign's key, so that a restart changes nothing and nothing has to be stored:
an id that was given out stays good, and the order behind it can be told again.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from services.feedback.answers import Preference
from services.feedback.items import Item
from services.feedback.judgements import FIRST_TIME, REPEAT, Judgement
from services.feedback.recipe import CampaignSpec
from services.feedback.sealing import SEALED, Seal
from services.feedback.tally import History, Occasion, Tally
from services.runtime.errors import InvalidInput, Overloaded, PermissionDenied, Problem

MAX_RATERS = 2000  # of one campaign
REPEAT_AFTER = 10  # judgements between an item and its repeat: long enough to have forgotten the answer


@dataclass(frozen=True)
class Assignment:
    id: str
    item: Item
    occasion: int
    order: tuple[int, ...]

    @property
    def responses(self) -> list[str]:
        """As they are to be shown."""
        return [self.item.responses[index] for index in self.order]


@dataclass(frozen=True)
class Lease:
    """Until then nobody else is given the place that this rater takes."""

    occasion: Occasion
    until: float


class Assigner:
    def __init__(self, key: str, spec: CampaignSpec, tally: Tally, lease_seconds: float) -> None:
        self._key, self._seal, self._spec, self._tally = key, Seal(key), spec, tally
        self._lease_seconds = lease_seconds
        self._leases: dict[str, Lease] = {}

    def next(self, rater: str, now: float) -> Assignment | None:
        """The same one until it is judged or its lease has ended; None where nothing is left to this rater for now."""
        lease = self._leases.get(rater)
        held = lease is not None and lease.until > now and lease.occasion not in self._tally.history(rater).standing
        occasion = lease.occasion if lease and held else self._pick(rater, now)
        if occasion is None:
            return None
        self._admit(rater, now)
        self._leases[rater] = Lease(occasion, now + self._lease_seconds)
        return self.assignment(rater, occasion)

    def _admit(self, rater: str, now: float) -> None:
        """Raises Overloaded where more names take part than a campaign has people."""
        if rater in self._leases or rater in self._tally.raters:
            return
        self._leases = {name: lease for name, lease in self._leases.items() if lease.until > now}
        if len(self._leases.keys() | self._tally.raters.keys()) >= MAX_RATERS:
            raise Overloaded(f"{MAX_RATERS} raters take part in this campaign, as many as can", 3600.0)

    def release(self, rater: str) -> None:
        self._leases.pop(rater, None)

    def assignment(self, rater: str, occasion: Occasion) -> Assignment:
        item = self._tally.items[occasion[0]]
        order = self._order(rater, item, occasion[1])
        return Assignment(self._seal.close(rater, occasion), item, occasion[1], order)

    def read(self, rater: str, assignment: str) -> Assignment:
        """What an id means to its rater. Raises PermissionDenied for everybody else and for what was never given."""
        if not SEALED.fullmatch(assignment):
            raise InvalidInput(Problem("assignment", repr(assignment[:80]), "the id of an assignment, from NextItem"))
        occasion = self._seal.open(rater, assignment)
        if occasion is None or occasion[0] not in self._tally.items:
            raise PermissionDenied(f"the assignment {assignment!r} was not given to {rater}")
        return self.assignment(rater, occasion)

    def _pick(self, rater: str, now: float) -> Occasion | None:
        history = self._tally.history(rater)
        if history.reopened:
            return history.reopened[-1]
        regular = next(self._regular(rater, history, now), None)
        if regular is None:
            return None
        draw, spec = self._fraction(rater, "draw", len(history.standing)), self._spec
        if draw < spec.gold_share:
            return self._gold(rater, history) or regular
        if draw < spec.gold_share + spec.repeat_share:
            return self._repeat(rater, history) or regular
        return regular

    def _regular(self, rater: str, history: History, now: float) -> Iterator[Occasion]:
        held = Counter(
            lease.occasion[0] for other, lease in self._leases.items() if other != rater and lease.until > now
        )
        for item in self._tally.open:
            if not history.seen(item) and len(self._tally.votes[item]) + held[item] < self._tally.wanted[item]:
                yield item, FIRST_TIME

    def _gold(self, rater: str, history: History) -> Occasion | None:
        unseen = [item for item in self._tally.gold if not history.seen(item)]
        return (min(unseen, key=lambda item: self._fraction(rater, item)), FIRST_TIME) if unseen else None

    def _repeat(self, rater: str, history: History) -> Occasion | None:
        """Of a pair where the rater had a preference."""
        earlier = list(history.standing.values())[:-REPEAT_AFTER]
        fit = [judgement.item for judgement in earlier if _repeatable(judgement, history, self._tally)]
        return (min(fit, key=lambda item: self._fraction(rater, item)), REPEAT) if fit else None

    def _order(self, rater: str, item: Item, occasion: int) -> tuple[int, ...]:
        order = list(range(len(item.responses)))
        random.Random(f"{self._key}\0{rater}\0{item.id}").shuffle(order)
        return tuple(order if occasion == FIRST_TIME else reversed(order))

    def _fraction(self, *parts: object) -> float:
        """In [0, 1), the same for the same parts."""
        return random.Random("\0".join(map(str, (self._key, *parts)))).random()


def _repeatable(judgement: Judgement, history: History, tally: Tally) -> bool:
    return (
        judgement.occasion == FIRST_TIME
        and isinstance(judgement.answer, Preference)
        and judgement.answer.choice.position is not None
        and tally.items[judgement.item].gold is None
        and (judgement.item, REPEAT) not in history.standing
    )
