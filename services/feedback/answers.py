"""What a rater can answer. Positions count what was shown, from 0; where a response came from is not known here."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Choice(StrEnum):
    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    BOTH_BAD = "both_bad"

    @property
    def position(self) -> int | None:
        """Of the preferred response; None where none is."""
        return {Choice.FIRST: 0, Choice.SECOND: 1}.get(self)


@dataclass(frozen=True)
class Preference:
    choice: Choice
    strength: int = 0  # 1 slightly, 2 better, 3 much better; 0: not said


@dataclass(frozen=True)
class Ranking:
    tiers: tuple[tuple[int, ...], ...]  # positions, best first; those of one tier are equally good


@dataclass(frozen=True)
class Demonstration:
    text: str


@dataclass(frozen=True)
class Skip:
    reason: str


@dataclass(frozen=True)
class Undo:
    """Takes an earlier judgement back."""

    judgement: str


Answer = Preference | Ranking | Demonstration | Skip | Undo

KINDS: dict[str, type[Answer]] = {
    kind.__name__.lower(): kind for kind in (Preference, Ranking, Demonstration, Skip, Undo)
}


def answer_to_json(answer: Answer) -> dict[str, Any]:
    return {"kind": type(answer).__name__.lower(), **asdict(answer)}


def answer_from_json(values: dict[str, Any]) -> Answer:
    fields = {key: value for key, value in values.items() if key != "kind"}
    if values["kind"] == "preference":
        return Preference(Choice(fields["choice"]), fields["strength"])
    if values["kind"] == "ranking":
        return Ranking(tuple(map(tuple, fields["tiers"])))
    return KINDS[values["kind"]](**fields)


@dataclass(frozen=True)
class Verdict:
    """On the responses `a` < `b` of an item, by their places in it: the better one, or None for neither."""

    a: int
    b: int
    winner: int | None
    strength: int = 0

    @property
    def loser(self) -> int:
        assert self.winner is not None, "nobody lost"
        return self.b if self.winner == self.a else self.a


def verdicts(answer: Answer, order: Sequence[int]) -> list[Verdict]:
    """What an answer says of each pair of responses; `order[position]` is the response that stood there."""
    match answer:
        case Preference(choice, strength):
            a, b = sorted(order)
            winner = None if choice.position is None else order[choice.position]
            return [Verdict(a, b, winner, strength)]
        case Ranking(tiers):
            tier_of = {order[position]: place for place, tier in enumerate(tiers) for position in tier}
            return [_ranked(a, b, tier_of) for b in sorted(tier_of) for a in sorted(tier_of) if a < b]
        case _:
            return []


def _ranked(a: int, b: int, tier_of: dict[int, int]) -> Verdict:
    if tier_of[a] == tier_of[b]:
        return Verdict(a, b, None)
    return Verdict(a, b, min(a, b, key=tier_of.__getitem__))
