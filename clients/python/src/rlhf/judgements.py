"""What was judged, and what it says of raters and models."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rlhf.campaigns import CampaignProgress, progress_from
from rlhf.v1 import feedback_pb2 as pb

CHOICES = {
    "first": pb.CHOICE_FIRST,
    "second": pb.CHOICE_SECOND,
    "tie": pb.CHOICE_TIE,
    "both_bad": pb.CHOICE_BOTH_BAD,
}
_CHOICE_NAMES = {number: name for name, number in CHOICES.items()}


@dataclass(frozen=True)
class Judgement:
    """`choice` (first, second, tie, both_bad) and `ranking` are in positions as shown; `order` tells which response of
    the item stood where. Of the four kinds of answer, those not given are None."""

    id: str
    rater: str
    item: str
    assignment: str
    order: list[int]
    choice: str | None
    strength: int
    ranking: list[list[int]] | None
    demonstration: str | None
    skip_reason: str | None
    note: str
    seconds: float
    guidelines_version: int
    at: datetime
    gold: bool
    repeat: bool
    undone: bool


@dataclass(frozen=True)
class Estimate:
    """With its 95 % interval; `count` is what it rests on."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


KAPPA_ITEMS = 10  # fewer give the service no kappa and no alpha


@dataclass(frozen=True)
class Agreement:
    """Of items with two judgements or more; None where there is nothing to estimate from."""

    domain: str
    items: int
    judgements: int
    agreement: Estimate | None
    cohen_kappa: Estimate | None
    fleiss_kappa: Estimate | None
    krippendorff_alpha: Estimate | None

    @property
    def without_kappas(self) -> str:
        """Why there is neither kappa nor alpha, in words; empty where there is."""
        if self.krippendorff_alpha is not None:
            return ""
        if not self.items:
            return "no item was judged by two raters: set overlap and overlap_share, or invite a second rater"
        if self.items < KAPPA_ITEMS:
            return f"{self.items} items were judged twice or more; kappa and alpha need {KAPPA_ITEMS}"
        return "all judgements say the same, and nothing tells agreement from chance"


@dataclass(frozen=True)
class RaterStatistics:
    """`first_preferred` is the position bias (0.5: none), `longer_preferred` the length bias, to be compared with that
    of all raters; `reliability` is P(right) by Dawid-Skene."""

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
    """How a model version did against others; in `win_rate` ties count half."""

    source: str
    wins: int
    losses: int
    ties: int
    win_rate: Estimate | None


@dataclass(frozen=True)
class Statistics:
    progress: CampaignProgress
    agreement: Agreement
    domains: list[Agreement]
    raters: list[RaterStatistics]
    sources: list[SourceStatistics]
    days: dict[str, int]
    longer_preferred: Estimate | None


def judgement_from(message: pb.Judgement) -> Judgement:
    kind = message.WhichOneof("answer")
    return Judgement(
        id=message.id,
        rater=message.rater,
        item=message.item,
        assignment=message.assignment,
        order=list(message.order),
        choice=_CHOICE_NAMES.get(message.preference.choice) if kind == "preference" else None,
        strength=message.preference.strength,
        ranking=[list(tier.positions) for tier in message.ranking.tiers] if kind == "ranking" else None,
        demonstration=message.demonstration.text if kind == "demonstration" else None,
        skip_reason=message.skip.reason if kind == "skip" else None,
        note=message.note,
        seconds=message.milliseconds / 1000,
        guidelines_version=message.guidelines_version,
        at=message.at.ToDatetime(UTC),
        gold=message.gold,
        repeat=message.repeat,
        undone=message.undone,
    )


def statistics_from(message: pb.GetStatisticsResponse) -> Statistics:
    return Statistics(
        progress=progress_from(message.progress),
        agreement=_agreement(message.agreement),
        domains=[_agreement(domain) for domain in message.domains],
        raters=[_rater(rater) for rater in message.raters],
        sources=[_source(source) for source in message.sources],
        days={day.date: day.judgements for day in message.days},
        longer_preferred=_estimate(message, "longer_preferred"),
    )


def _estimate(message, field: str) -> Estimate | None:
    found: pb.Estimate = getattr(message, field)
    return Estimate(found.value, found.low, found.high, found.count) if message.HasField(field) else None


def _agreement(message: pb.AgreementStatistics) -> Agreement:
    measures = ("agreement", "cohen_kappa", "fleiss_kappa", "krippendorff_alpha")
    found = {name: _estimate(message, name) for name in measures}
    return Agreement(domain=message.domain, items=message.items, judgements=message.judgements, **found)


def _rater(message: pb.RaterStatistics) -> RaterStatistics:
    measures = ("gold_accuracy", "repeat_consistency", "first_preferred", "longer_preferred", "agreement")
    return RaterStatistics(
        rater=message.rater,
        judgements=message.judgements,
        skips=message.skips,
        undone=message.undone,
        reliability=message.reliability if message.HasField("reliability") else None,
        median_seconds=message.median_seconds,
        **{name: _estimate(message, name) for name in measures},
    )


def _source(message: pb.SourceStatistics) -> SourceStatistics:
    rate = _estimate(message, "win_rate")
    return SourceStatistics(message.source, message.wins, message.losses, message.ties, rate)
