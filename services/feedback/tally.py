"""Where a campaign stands: what follows from its items and judgements, kept up to date judgement by judgement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.feedback.answers import Skip, Undo
from services.feedback.items import Item
from services.feedback.judgements import FIRST_TIME, Judgement

SKIPS_TO_RETIRE = 3  # an item that so many raters skipped is asked of nobody else

Occasion = tuple[str, int]  # an item, and whether it is seen for the first time


@dataclass
class History:
    """What one rater did."""

    number: int = 0  # of the latest judgement
    at: float = 0.0  # of the latest judgement
    standing: dict[Occasion, Judgement] = field(default_factory=dict)  # oldest first; undone ones are gone
    reopened: list[Occasion] = field(default_factory=list)  # undone and not judged again, the latest last
    undone: int = 0

    @property
    def latest(self) -> Judgement | None:
        return next(reversed(self.standing.values()), None)

    def seen(self, item: str) -> bool:
        return (item, FIRST_TIME) in self.standing


class Tally:
    """`overlap` raters for that share of the items, spread evenly; one for the others."""

    def __init__(self, overlap: int, overlap_share: float) -> None:
        self.items: dict[str, Item] = {}
        self.gold: list[str] = []
        self.wanted: dict[str, int] = {}  # judgements, by item without gold
        self.votes: dict[str, dict[str, Judgement]] = {}  # by item, then rater; neither skips nor repeats
        self.open: dict[str, None] = {}  # items that want more, in the order to ask for them
        self.raters: dict[str, History] = {}
        self.judgements: dict[str, Judgement] = {}  # all of them, in the order they were made
        self.undone: set[str] = set()
        self.num_votes = 0  # on items without gold
        self.num_wanted = 0
        self._skips: dict[str, set[str]] = {}
        self._overlap, self._overlap_share = overlap, overlap_share

    def history(self, rater: str) -> History:
        """Of somebody who may not have judged yet."""
        return self.raters.get(rater) or History()

    def add_items(self, items: Iterable[Item], order: Sequence[int]) -> None:
        """`order` is the one to ask for them in."""
        items = list(items)
        for item in items:
            self.items[item.id], self.votes[item.id] = item, {}
            if item.gold is None:
                wanted = self._overlap if self._overlaps(len(self.wanted)) else 1
                self.wanted[item.id] = wanted
                self.num_wanted += wanted
            else:
                self.gold.append(item.id)
        for index in order:
            self._refresh(items[index].id)

    def apply(self, judgement: Judgement) -> None:
        history = self.raters.setdefault(judgement.rater, History())
        history.number = max(history.number, judgement.number)
        history.at = max(history.at, judgement.at)
        self.judgements[judgement.id] = judgement
        if isinstance(judgement.answer, Undo):
            self._undo(history, self.judgements[judgement.answer.judgement])
        else:
            self._stand(history, judgement)
        self._refresh(judgement.item)

    def unseen_open(self, rater: str) -> int:
        """Open items that the rater has not seen."""
        seen = (item for item, occasion in self.history(rater).standing if occasion == FIRST_TIME)
        return len(self.open) - sum(item in self.open for item in seen)

    def _overlaps(self, index: int) -> bool:
        return int((index + 1) * self._overlap_share + 1e-9) > int(index * self._overlap_share + 1e-9)

    def _stand(self, history: History, judgement: Judgement) -> None:
        key = (judgement.item, judgement.occasion)
        if earlier := history.standing.pop(key, None):
            # Written when nobody could tell, and never acknowledged: the rater judged the item again.
            self._withdraw(earlier)
        history.standing[key] = judgement
        if key in history.reopened:
            history.reopened.remove(key)
        if judgement.occasion == FIRST_TIME:
            if isinstance(judgement.answer, Skip):
                self._skips.setdefault(judgement.item, set()).add(judgement.rater)
            else:
                self.votes[judgement.item][judgement.rater] = judgement
                self.num_votes += judgement.item in self.wanted

    def _undo(self, history: History, judgement: Judgement) -> None:
        key = (judgement.item, judgement.occasion)
        history.standing.pop(key, None)
        history.reopened.append(key)
        history.undone += 1
        self._withdraw(judgement)

    def _withdraw(self, judgement: Judgement) -> None:
        self.undone.add(judgement.id)
        if judgement.occasion == FIRST_TIME:
            self._skips.get(judgement.item, set()).discard(judgement.rater)
            if self.votes[judgement.item].pop(judgement.rater, None):
                self.num_votes -= judgement.item in self.wanted

    def _refresh(self, item: str) -> None:
        wants = len(self.votes[item]) < self.wanted.get(item, 0)
        if wants and len(self._skips.get(item, ())) < SKIPS_TO_RETIRE:
            self.open.setdefault(item)
        else:
            self.open.pop(item, None)
