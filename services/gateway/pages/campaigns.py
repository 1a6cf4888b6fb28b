"""Campaigns: a list, and what one has found out so far."""

from collections.abc import Iterable
from typing import Any

from rlhf import Agreement, Estimate, RaterStatistics, Statistics
from starlette.responses import RedirectResponse, Response

from services.gateway.pages.visit import LIST_CAMPAIGNS, LIST_RUNS, STATISTICS, Visit

MEASURES = {
    "agreement": "Raw agreement",
    "cohen_kappa": "Cohen’s κ",
    "fleiss_kappa": "Fleiss’ κ",
    "krippendorff_alpha": "Krippendorff’s α",
}


async def home(visit: Visit) -> Response:
    """Whatever the visitor may see first."""
    for path, method in (("/campaigns", LIST_CAMPAIGNS), ("/runs", LIST_RUNS)):
        if visit.may(method):
            return RedirectResponse(path, 303)
    return RedirectResponse("/playground", 303)


async def show_all(visit: Visit) -> Response:
    campaigns = await visit.client.feedback.list()
    return visit.render("campaigns.html.jinja", campaigns=campaigns, statistics=visit.may(STATISTICS))


async def show_one(visit: Visit) -> Response:
    campaign = await visit.client.feedback.get(visit.path["campaign"])
    found = await visit.client.feedback.statistics(campaign.name)
    return visit.render("campaign.html.jinja", campaign=campaign, found=found, charts=charts(found))


def charts(found: Statistics) -> dict[str, dict[str, Any]]:
    """By the id of the figure that shows it."""
    raters = found.raters
    return {
        "agreement": intervals(_agreement(found.agreement), [-0.2, 1], 0),
        "domains": intervals(((each.domain, each.krippendorff_alpha) for each in found.domains), [-0.2, 1], 0),
        "gold": intervals(((rater.rater, rater.gold_accuracy) for rater in raters), [0, 1], None),
        "position": intervals(((rater.rater, rater.first_preferred) for rater in raters), [0, 1], 0.5),
        "length": intervals(((rater.rater, rater.longer_preferred) for rater in raters), [0, 1], _longer(found)),
        "sources": intervals(((source.source, source.win_rate) for source in found.sources), [0, 1], 0.5),
        "days": {"kind": "days", "days": list(found.days), "counts": list(found.days.values())},
    }


def intervals(rows: Iterable[tuple[str, Estimate | None]], span: list[float], mark: float | None) -> dict[str, Any]:
    """Points with their 95 % intervals; `mark` is what they are to be compared with."""
    known = [(label, estimate) for label, estimate in rows if estimate]
    return {"kind": "intervals", "span": span, "mark": mark, "rows": [_row(*row) for row in known]}


def _row(label: str, estimate: Estimate) -> dict[str, Any]:
    return {"label": label, **vars(estimate)}


def _agreement(found: Agreement) -> Iterable[tuple[str, Estimate | None]]:
    return ((title, getattr(found, name)) for name, title in MEASURES.items())


def _longer(found: Statistics) -> float | None:
    return found.longer_preferred.value if found.longer_preferred else None


def reliability(rater: RaterStatistics) -> str:
    return "–" if rater.reliability is None else f"{rater.reliability:.0%}"
