"""What a rater does: take the next item, answer it, take an answer back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from services.feedback import metrics
from services.feedback.answers import Answer, Demonstration, Preference, Ranking, Skip, Undo
from services.feedback.assignment import Assignment
from services.feedback.campaign import Campaign, CampaignState
from services.feedback.judgements import MAX_MILLISECONDS, MAX_NOTE, MAX_REASON, Judgement, digest_of, judgement_id
from services.feedback.raters import Raters
from services.feedback.recipe import CampaignKind
from services.runtime.errors import AlreadyExists, Conflict, InvalidInput, Overloaded, Problem

MAX_DEMONSTRATION = 65_536  # characters
MAX_REQUEST_ID = 200
MAX_STRENGTH = 3
MAX_TIMES_CHANGED = 10  # judgements of a rater per item of the campaign, undone ones and the undoing counted


class NothingLeft(StrEnum):
    DONE = "done"
    WAITING = "waiting"
    PREPARING = "preparing"
    CLOSED = "closed"


@dataclass(frozen=True)
class Submission:
    """`guidelines_version` 0: the current one."""

    rater: str
    assignment: str
    answer: Answer
    request_id: str
    note: str = ""
    milliseconds: int = 0
    guidelines_version: int = 0


class Labelling:
    def __init__(self, raters: Raters) -> None:
        self._raters = raters

    def next(self, campaign: Campaign, rater: str) -> Assignment | NothingLeft:
        self._raters.require(rater, campaign.spec.skills)
        if campaign.end:
            return NothingLeft.CLOSED
        if campaign.state is CampaignState.PREPARING or not campaign.tally.items:
            return NothingLeft.PREPARING
        if assignment := campaign.assigner.next(rater, time.time()):
            return assignment
        return NothingLeft.WAITING if campaign.tally.unseen_open(rater) else NothingLeft.DONE

    async def submit(self, campaign: Campaign, submission: Submission) -> Judgement:
        """Stored when this returns. The same request again gives the same judgement."""
        if problems := list(_problems(campaign, submission)):
            raise InvalidInput(*problems)
        rater = submission.rater
        self._raters.require(rater, campaign.spec.skills)
        assignment = campaign.assigner.read(rater, submission.assignment)
        if problem := _answer_problem(campaign, assignment, submission.answer):
            raise InvalidInput(problem)
        async with campaign.rater_locks[rater]:
            digest = digest_of(submission)
            if known := _known(campaign, rater, submission.request_id, digest):
                return known
            campaign.require_open()
            if (assignment.item.id, assignment.occasion) in campaign.tally.history(rater).standing:
                raise AlreadyExists(f"{rater} has judged {submission.assignment} already; undo it to judge it again")
            judgement = _judgement(campaign, submission, assignment, digest)
            await _record(campaign, judgement)
            return judgement

    async def undo(self, campaign: Campaign, rater: str, request_id: str, expected: str) -> Judgement:
        """The judgement taken back. `expected` is its id, or empty for whichever is the latest."""
        if problem := _request_problem(request_id):
            raise InvalidInput(problem)
        if rater not in campaign.tally.raters:
            raise Conflict(f"nothing is left to undo for {rater} in campaign {campaign.name}")
        async with campaign.rater_locks[rater]:
            digest = digest_of("undo", rater, request_id, expected)
            if known := _known(campaign, rater, request_id, digest):
                assert isinstance(known.answer, Undo), "its digest says so"
                return campaign.tally.judgements[known.answer.judgement]
            campaign.require_open()
            latest = campaign.tally.history(rater).latest
            if latest is None or expected not in ("", latest.id):
                what = f"{latest.id} is the latest judgement of" if latest else "nothing is left to undo for"
                raise Conflict(f"{what} {rater} in campaign {campaign.name}")
            undo = replace(latest, id=judgement_id(rater, request_id), answer=Undo(latest.id), note="", milliseconds=0)
            await _record(campaign, replace(undo, request_digest=digest, **_moment(campaign, rater)))
            return latest


async def _record(campaign: Campaign, judgement: Judgement) -> None:
    await campaign.record_judgement(judgement)
    campaign.assigner.release(judgement.rater)
    metrics.judgements.labels(type(judgement.answer).__name__.lower()).inc()


def _known(campaign: Campaign, rater: str, request_id: str, digest: str) -> Judgement | None:
    known = campaign.tally.judgements.get(judgement_id(rater, request_id))
    if known and known.request_digest != digest:
        raise AlreadyExists(f"request {request_id!r} of {rater} was another one before")
    return known


def _judgement(campaign: Campaign, submission: Submission, assignment: Assignment, digest: str) -> Judgement:
    return Judgement(
        id=judgement_id(submission.rater, submission.request_id),
        rater=submission.rater,
        item=assignment.item.id,
        occasion=assignment.occasion,
        order=assignment.order,
        answer=submission.answer,
        note=submission.note,
        milliseconds=submission.milliseconds,
        guidelines_version=submission.guidelines_version or len(campaign.guidelines),
        request_digest=digest,
        **_moment(campaign, submission.rater),
    )


def _moment(campaign: Campaign, rater: str) -> dict:
    """Number and time of the rater's next judgement; the clock may have been set back, their order may not."""
    history = campaign.tally.history(rater)
    if history.number >= MAX_TIMES_CHANGED * (len(campaign.tally.items) + 1):
        raise Overloaded(f"{rater} has made {history.number} judgements, far more than there are items", 3600.0)
    return {"number": history.number + 1, "at": max(time.time(), history.at + 1e-3)}


def _problems(campaign: Campaign, submission: Submission) -> Iterator[Problem]:
    if problem := _request_problem(submission.request_id):
        yield problem
    if len(submission.note) > MAX_NOTE:
        yield Problem("note", f"{len(submission.note)} characters", f"at most {MAX_NOTE}")
    if submission.milliseconds > MAX_MILLISECONDS:
        yield Problem("milliseconds", str(submission.milliseconds), f"at most {MAX_MILLISECONDS}, a day")
    if submission.guidelines_version > len(campaign.guidelines):
        yield Problem("guidelines_version", str(submission.guidelines_version), f"at most {len(campaign.guidelines)}")


def _request_problem(request_id: str) -> Problem | None:
    if 1 <= len(request_id) <= MAX_REQUEST_ID and request_id.isprintable():
        return None
    return Problem(
        "request_id", repr(request_id[:40]), f"1 to {MAX_REQUEST_ID} printable characters, new for each request"
    )


def _answer_problem(campaign: Campaign, assignment: Assignment, answer: Answer) -> Problem | None:
    kind = campaign.spec.kind
    match answer:
        case Skip(reason):
            good = reason.strip() and len(reason) <= MAX_REASON
            return None if good else Problem("skip.reason", reason[:40] or "nothing", f"1 to {MAX_REASON} characters")
        case Preference() if kind is CampaignKind.COMPARISON:
            return _strength_problem(campaign, answer)
        case Ranking(tiers) if kind is CampaignKind.RANKING:
            positions = sorted(position for tier in tiers for position in tier)
            whole = positions == list(range(len(assignment.order))) and all(tiers)
            expected = f"every position from 0 to {len(assignment.order) - 1} once"
            return None if whole else Problem("ranking.tiers", str([list(tier) for tier in tiers])[:80], expected)
        case Demonstration(text) if kind is CampaignKind.DEMONSTRATION:
            good = text.strip() and len(text) <= MAX_DEMONSTRATION
            return (
                None if good else Problem("demonstration.text", f"{len(text)} characters", f"1 to {MAX_DEMONSTRATION}")
            )
    names = {
        CampaignKind.COMPARISON: "preference",
        CampaignKind.RANKING: "ranking",
        CampaignKind.DEMONSTRATION: "demonstration",
    }
    return Problem("answer", type(answer).__name__.lower(), f"{names[kind]} or skip, in a {kind} campaign")


def _strength_problem(campaign: Campaign, answer: Preference) -> Problem | None:
    if not answer.strength:
        return None
    if campaign.spec.strength and answer.choice.position is not None and answer.strength <= MAX_STRENGTH:
        return None
    expected = f"1 to {MAX_STRENGTH} with a preference, where the campaign asks for it; 0 otherwise"
    return Problem("preference.strength", str(answer.strength), expected)
