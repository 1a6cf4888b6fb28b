"""The labelling page, and what its script sends."""

from typing import Annotated, Any, Literal

import rlhf
from pydantic import Field
from starlette.responses import Response

from services.gateway.bodies import Body
from services.gateway.pages.markdown import to_html
from services.gateway.pages.visit import Visit
from services.runtime.errors import InvalidInput, Problem

MAX_TEXT = 200_000
Short = Annotated[str, Field(max_length=300)]


class Who(Body):
    """`rater` is for those who may judge in another's name, as on a machine without tokens; else it is who asks."""

    rater: Short = ""


class Judged(Who):
    """One of choice, ranking, text and skip. `request` is the same when it is sent again, and then counts once."""

    assignment: Short
    guidelines_version: int = Field(ge=0)
    choice: Literal["first", "second", "tie", "both_bad"] | None = None
    strength: int = Field(0, ge=0, le=3)
    ranking: Annotated[list[list[int]], Field(max_length=16)] | None = None
    text: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    skip: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    note: Annotated[str, Field(max_length=4000)] = ""
    seconds: float = Field(0, ge=0, le=86_400)
    request: Annotated[str, Field(min_length=8, max_length=100)]


class Undo(Who):
    request: Annotated[str, Field(min_length=8, max_length=100)]


async def show(visit: Visit) -> Response:
    campaign = await visit.client.feedback.get(visit.path["campaign"])
    rater = visit.request.query_params.get("rater", "")[:300]
    return visit.render("label.html.jinja", campaign=campaign, rater=rater)


async def next_item(visit: Visit, body: Who) -> dict[str, Any]:
    found = await visit.client.feedback.next(visit.path["campaign"], rater=body.rater)
    progress = _progress(found.progress, found.campaign_progress)
    return {**progress, "card": found.assignment and card(found.assignment), "nothing_left": found.nothing_left}


async def judge(visit: Visit, body: Judged) -> dict[str, Any]:
    """Stored once it answers; the next item comes along."""
    feedback, how = visit.client.feedback, {"seconds": body.seconds, "request_id": body.request}
    assignment = _assignment(visit.path["campaign"], body)
    if body.choice is not None:
        await feedback.prefer(assignment, body.choice, strength=body.strength, note=body.note, **how)
    elif body.ranking is not None:
        await feedback.rank(assignment, body.ranking, note=body.note, **how)
    elif body.text is not None:
        await feedback.demonstrate(assignment, body.text, note=body.note, **how)
    elif body.skip is not None:
        await feedback.skip(assignment, body.skip, **how)
    else:
        raise InvalidInput(Problem("choice", "nothing", "a choice, ranking, text or skip"))
    return await next_item(visit, body)


async def undo(visit: Visit, body: Undo) -> dict[str, Any]:
    found = await visit.client.feedback.undo(visit.path["campaign"], rater=body.rater, request_id=body.request)
    progress = _progress(found.progress, found.campaign_progress)
    return {**progress, "card": card(found.assignment), "nothing_left": ""}


def card(assignment: rlhf.Assignment) -> dict[str, Any]:
    return {
        "id": assignment.id,
        "kind": assignment.kind,
        "domain": assignment.domain,
        "strength": assignment.strength,
        "guidelines_version": assignment.guidelines_version,
        "prompt": [{"role": each["role"], "html": to_html(each["content"])} for each in assignment.prompt],
        "responses": [to_html(response) for response in assignment.responses],
        "draft": assignment.responses[0] if assignment.kind == "demonstration" and assignment.responses else "",
    }


def _progress(own: rlhf.RaterProgress, all_of_it: rlhf.CampaignProgress) -> dict[str, Any]:
    return {
        "judged": own.judgements,
        "open": own.open,
        "campaign": {"judgements": all_of_it.judgements, "wanted": all_of_it.judgements_wanted},
    }


def _assignment(campaign: str, body: Judged) -> rlhf.Assignment:
    """As much of it as an answer names."""
    return rlhf.Assignment(
        id=body.assignment,
        campaign=campaign,
        rater=body.rater,
        kind="",
        prompt=[],
        responses=[],
        domain="",
        strength=False,
        guidelines_version=body.guidelines_version,
    )
