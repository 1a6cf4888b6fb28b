"""Assignments, answers and judgements between the contract and the plain values used here."""

from typing import Any

from rlhf.v1 import feedback_pb2 as pb

from services.feedback.answers import Answer, Choice, Demonstration, Preference, Ranking, Skip
from services.feedback.assignment import Assignment
from services.feedback.campaign import Campaign
from services.feedback.judgements import REPEAT, Judgement
from services.feedback.labelling import NothingLeft, Submission
from services.feedback.specs import KINDS, encode_prompt, known
from services.runtime.errors import InvalidInput, Problem
from services.storage.dataset_specs import encode_time

CHOICES = {
    Choice.FIRST: pb.CHOICE_FIRST,
    Choice.SECOND: pb.CHOICE_SECOND,
    Choice.TIE: pb.CHOICE_TIE,
    Choice.BOTH_BAD: pb.CHOICE_BOTH_BAD,
}
CHOICE_NAMES: dict[int, Choice] = {number: choice for choice, number in CHOICES.items()}
NOTHING_LEFT = {
    NothingLeft.DONE: pb.NOTHING_LEFT_DONE,
    NothingLeft.WAITING: pb.NOTHING_LEFT_WAITING,
    NothingLeft.PREPARING: pb.NOTHING_LEFT_PREPARING,
    NothingLeft.CLOSED: pb.NOTHING_LEFT_CLOSED,
}


def decode_submission(request: pb.SubmitJudgementRequest, rater: str) -> Submission:
    return Submission(
        rater=rater,
        assignment=request.assignment,
        answer=_decode_answer(request),
        request_id=request.request_id,
        note=request.note,
        milliseconds=request.milliseconds,
        guidelines_version=request.guidelines_version,
    )


def _decode_answer(request: pb.SubmitJudgementRequest) -> Answer:
    match request.WhichOneof("answer"):
        case "preference":
            choice = known(CHOICE_NAMES, request.preference.choice, "preference.choice")
            return Preference(choice, request.preference.strength)
        case "ranking":
            return Ranking(tuple(tuple(tier.positions) for tier in request.ranking.tiers))
        case "demonstration":
            return Demonstration(request.demonstration.text)
        case "skip":
            return Skip(request.skip.reason)
    raise InvalidInput(Problem("answer", "nothing", "preference, ranking, demonstration or skip"))


def encode_assignment(campaign: Campaign, assignment: Assignment) -> pb.Assignment:
    return pb.Assignment(
        id=assignment.id,
        campaign=campaign.name,
        kind=KINDS[campaign.spec.kind],
        prompt=encode_prompt(assignment.item.prompt),
        responses=assignment.responses,
        domain=assignment.item.domain,
        strength=campaign.spec.strength,
        guidelines_version=len(campaign.guidelines),
    )


def encode_rater_progress(campaign: Campaign, rater: str) -> pb.RaterProgress:
    standing = campaign.tally.history(rater).standing
    return pb.RaterProgress(rater=rater, judgements=len(standing), open=campaign.tally.unseen_open(rater))


def encode_judgement(campaign: Campaign, judgement: Judgement, hidden: bool) -> pb.Judgement:
    """What would tell gold and repeats is left out where it is `hidden`."""
    tally, shown = campaign.tally, not hidden
    return pb.Judgement(
        id=judgement.id,
        campaign=campaign.name,
        rater=judgement.rater,
        item=judgement.item if shown else "",
        assignment=campaign.assigner.assignment(judgement.rater, (judgement.item, judgement.occasion)).id,
        order=judgement.order if shown else (),
        note=judgement.note,
        milliseconds=judgement.milliseconds,
        guidelines_version=judgement.guidelines_version,
        at=encode_time(judgement.at),
        gold=shown and tally.items[judgement.item].gold is not None,
        repeat=shown and judgement.occasion == REPEAT,
        undone=judgement.id in tally.undone,
        **_encode_answer(judgement.answer),
    )


def _encode_answer(answer: Answer) -> dict[str, Any]:
    match answer:
        case Preference(choice, strength):
            return {"preference": pb.Preference(choice=CHOICES[choice], strength=strength)}
        case Ranking(tiers):
            return {"ranking": pb.Ranking(tiers=[pb.RankingTier(positions=tier) for tier in tiers])}
        case Demonstration(text):
            return {"demonstration": pb.Demonstration(text=text)}
        case Skip(reason):
            return {"skip": pb.Skip(reason=reason)}
    raise AssertionError("an undo is told by what it undid")
