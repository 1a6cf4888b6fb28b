"""Campaigns, items and assignments: what people judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rlhf.datasets import DatasetName
from rlhf.errors import InvalidInputError, Problem
from rlhf.inputs import Prompt, prompt_message
from rlhf.v1 import feedback_pb2 as pb
from rlhf.v1 import types_pb2
from rlhf.versions import ModelName

KINDS = {
    "comparison": pb.CAMPAIGN_KIND_COMPARISON,
    "ranking": pb.CAMPAIGN_KIND_RANKING,
    "demonstration": pb.CAMPAIGN_KIND_DEMONSTRATION,
}
STATES = {
    pb.CAMPAIGN_STATE_PREPARING: "preparing",
    pb.CAMPAIGN_STATE_OPEN: "open",
    pb.CAMPAIGN_STATE_CLOSED: "closed",
    pb.CAMPAIGN_STATE_FAILED: "failed",
}
SELECTIONS = {"random": pb.PAIR_SELECTION_RANDOM, "uncertainty": pb.PAIR_SELECTION_UNCERTAINTY}
NOTHING_LEFT = {
    pb.NOTHING_LEFT_DONE: "done",
    pb.NOTHING_LEFT_WAITING: "waiting",
    pb.NOTHING_LEFT_PREPARING: "preparing",
    pb.NOTHING_LEFT_CLOSED: "closed",
}
_KIND_NAMES = {number: name for name, number in KINDS.items()}

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Item:
    """A prompt and its responses: two, as many as are ranked, or the draft of a demonstration (or none).

    `sources` says what made each response, for statistics alone. `gold` is the place of a response that is known to be
    better: such an item checks raters and is not exported.
    """

    prompt: Prompt
    responses: Sequence[str] = ()
    sources: Sequence[str] = ()
    domain: str = ""
    gold: int | None = None
    propensity: float = 1.0


@dataclass(frozen=True)
class Generated:
    """Items from responses that the campaign asks the policy service for; see GeneratedItems in the contract."""

    models: Sequence[ModelName]
    max_new_tokens: int
    prompts: Sequence[Prompt] = ()
    domains: Sequence[str] = ()  # one for each of `prompts`, or none
    dataset: DatasetName = ""  # of prompts, instead of `prompts`
    samples_per_model: int = 0
    temperature: float = 1.0
    num_items: int = 0
    selection: str = "random"  # or "uncertainty", by `reward_models`
    reward_models: Sequence[ModelName] = field(default=())


@dataclass(frozen=True)
class CampaignProgress:
    """`judgements` of `judgements_wanted` are there; gold items, repeats and skips are not counted."""

    items: int
    gold_items: int
    items_done: int
    judgements_wanted: int
    judgements: int
    raters: int


@dataclass(frozen=True)
class RaterProgress:
    """`judgements` counts all answers of the rater; `open` items still want one."""

    rater: str
    judgements: int
    open: int


@dataclass(frozen=True)
class Campaign:
    """`state` is preparing, open, closed or failed; `reason` says in words why it is not open."""

    name: str
    title: str
    kind: str
    state: str
    reason: str
    guidelines: str
    guidelines_version: int
    skills: list[str]
    strength: bool
    progress: CampaignProgress
    created_at: datetime


@dataclass(frozen=True)
class Assignment:
    """An item as one rater sees it; `responses` stand in the order to show them."""

    id: str
    campaign: str
    rater: str
    kind: str
    prompt: Messages
    responses: list[str]
    domain: str
    strength: bool
    guidelines_version: int


@dataclass(frozen=True)
class Next:
    """Without an assignment, `nothing_left` says why: done, waiting (ask again later), preparing or closed."""

    assignment: Assignment | None
    nothing_left: str
    progress: RaterProgress
    campaign_progress: CampaignProgress


@dataclass(frozen=True)
class Acknowledged:
    """The judgement with this id is stored."""

    judgement: str
    progress: RaterProgress
    campaign_progress: CampaignProgress


@dataclass(frozen=True)
class Undone:
    """The judgement that was taken back, and its item, to be judged again."""

    judgement: str
    assignment: Assignment
    progress: RaterProgress
    campaign_progress: CampaignProgress


def one_of(names: Mapping[str, Any], given: str, field: str) -> Any:
    if given not in names:
        raise InvalidInputError(Problem(field, f"got {given!r}, expected one of {', '.join(names)}"))
    return names[given]


def conversation(prompt: Prompt, field: str) -> types_pb2.Conversation:
    message = prompt_message(prompt, field)
    if message.HasField("token_ids"):
        raise InvalidInputError(Problem(field, "got token ids, expected text or a list of messages: people read it"))
    if message.HasField("conversation"):
        return message.conversation
    return types_pb2.Conversation(messages=[types_pb2.Message(role="user", content=message.text)])


def item_message(item: Item, field: str) -> pb.Item:
    return pb.Item(
        prompt=conversation(item.prompt, f"{field}.prompt"),
        responses=item.responses,
        sources=item.sources,
        domain=item.domain,
        gold=item.gold,
        propensity=item.propensity,
    )


def generated_message(generated: Generated) -> pb.GeneratedItems:
    if generated.domains and len(generated.domains) != len(generated.prompts):
        expected = f"expected none, or one for each of {len(generated.prompts)} prompts"
        raise InvalidInputError(Problem("domains", f"got {len(generated.domains)}, {expected}"))
    domains = generated.domains or [""] * len(generated.prompts)
    return pb.GeneratedItems(
        dataset=str(generated.dataset),
        prompts=[
            pb.CampaignPrompt(prompt=conversation(prompt, f"prompts[{place}]"), domain=domain)
            for place, (prompt, domain) in enumerate(zip(generated.prompts, domains))
        ],
        models=map(str, generated.models),
        samples_per_model=generated.samples_per_model,
        sampling=types_pb2.Sampling(temperature=generated.temperature, max_new_tokens=generated.max_new_tokens),
        num_items=generated.num_items,
        selection=one_of(SELECTIONS, generated.selection, "selection"),
        reward_models=map(str, generated.reward_models),
    )


def progress_from(message: pb.CampaignProgress) -> CampaignProgress:
    return CampaignProgress(
        items=message.items,
        gold_items=message.gold_items,
        items_done=message.items_done,
        judgements_wanted=message.judgements_wanted,
        judgements=message.judgements,
        raters=message.raters,
    )


def rater_progress_from(message: pb.RaterProgress) -> RaterProgress:
    return RaterProgress(message.rater, message.judgements, message.open)


def campaign_from(message: pb.Campaign) -> Campaign:
    return Campaign(
        name=message.spec.name,
        title=message.spec.title,
        kind=_KIND_NAMES.get(message.spec.kind, "unknown"),
        state=STATES.get(message.state, "unknown"),
        reason=message.reason,
        guidelines=message.guidelines,
        guidelines_version=message.guidelines_version,
        skills=list(message.spec.skills),
        strength=message.spec.strength,
        progress=progress_from(message.progress),
        created_at=message.created_at.ToDatetime(UTC),
    )


def assignment_from(message: pb.Assignment, rater: str) -> Assignment:
    return Assignment(
        id=message.id,
        campaign=message.campaign,
        rater=rater,
        kind=_KIND_NAMES.get(message.kind, "unknown"),
        prompt=[{"role": m.role, "content": m.content} for m in message.prompt.messages],
        responses=list(message.responses),
        domain=message.domain,
        strength=message.strength,
        guidelines_version=message.guidelines_version,
    )


def next_from(message: pb.NextItemResponse) -> Next:
    rater = message.progress.rater
    return Next(
        assignment=assignment_from(message.assignment, rater) if message.HasField("assignment") else None,
        nothing_left=NOTHING_LEFT.get(message.nothing_left, ""),
        progress=rater_progress_from(message.progress),
        campaign_progress=progress_from(message.campaign_progress),
    )


def acknowledged_from(message: pb.SubmitJudgementResponse) -> Acknowledged:
    progress, campaign = rater_progress_from(message.progress), progress_from(message.campaign_progress)
    return Acknowledged(message.judgement, progress, campaign)


def undone_from(message: pb.UndoJudgementResponse) -> Undone:
    return Undone(
        judgement=message.judgement,
        assignment=assignment_from(message.assignment, message.progress.rater),
        progress=rater_progress_from(message.progress),
        campaign_progress=progress_from(message.campaign_progress),
    )
