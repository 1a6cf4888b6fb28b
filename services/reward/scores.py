"""One item's score from its members' logits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, pstdev

from services.storage.models import Version


class Reason(StrEnum):
    TOO_LONG = "too_long"  # the response alone exceeds the context
    NOT_FINITE = "not_finite"  # the model gave NaN or infinity


@dataclass(frozen=True)
class Score:
    """`error` empty: a score. Otherwise it says why there is none, and no other field means anything."""

    error: str = ""
    reason: Reason | None = None  # why, in one word
    raw: float = 0.0  # mean logit over members
    normalized: float = 0.0  # mean of logit - offset
    member_scores: tuple[float, ...] = ()  # normalised, in the order of the members
    spread: float = 0.0  # population standard deviation of member_scores
    truncated: bool = False
    versions: tuple[Version, ...] = ()


@dataclass(frozen=True)
class MemberScore:
    """What one model says of one item: its logit, or why there is none."""

    version: Version
    raw: float = math.nan
    offset: float = 0.0
    truncated: bool = False
    error: str = ""

    @property
    def reason(self) -> Reason | None:
        if self.error:
            return Reason.TOO_LONG
        return None if math.isfinite(self.raw) else Reason.NOT_FINITE

    @property
    def problem(self) -> str:
        return self.error or ("" if math.isfinite(self.raw) else f"{self.version} gave {self.raw}")


def combine(members: Sequence[MemberScore]) -> Score:
    """An ensemble without one of its members is another ensemble: one failure fails the item."""
    problems = [member.problem for member in members if member.problem]
    if problems:
        reason = next(member.reason for member in members if member.reason)
        return Score(error="; ".join(problems), reason=reason)
    normalized = tuple(member.raw - member.offset for member in members)
    return Score(
        raw=fmean(member.raw for member in members),
        normalized=fmean(normalized),
        member_scores=normalized,
        spread=pstdev(normalized),
        truncated=any(member.truncated for member in members),
        versions=tuple(member.version for member in members),
    )
