"""Campaigns and items between the contract and the plain values used here."""

from typing import Any

from rlhf.v1 import feedback_pb2 as pb
from rlhf.v1 import types_pb2 as types

from services.data.records import Message, Prompt
from services.feedback.campaign import Campaign, CampaignState
from services.feedback.items import Item
from services.feedback.recipe import (
    CampaignKind,
    CampaignPrompt,
    CampaignSpec,
    Generation,
    PairSelection,
    Sampling,
)
from services.feedback.tally import Tally
from services.runtime.errors import InvalidInput, Problem
from services.storage.dataset_specs import encode_time

KINDS = {
    CampaignKind.COMPARISON: pb.CAMPAIGN_KIND_COMPARISON,
    CampaignKind.RANKING: pb.CAMPAIGN_KIND_RANKING,
    CampaignKind.DEMONSTRATION: pb.CAMPAIGN_KIND_DEMONSTRATION,
}
STATES = {
    CampaignState.PREPARING: pb.CAMPAIGN_STATE_PREPARING,
    CampaignState.OPEN: pb.CAMPAIGN_STATE_OPEN,
    CampaignState.CLOSED: pb.CAMPAIGN_STATE_CLOSED,
    CampaignState.FAILED: pb.CAMPAIGN_STATE_FAILED,
}
SELECTIONS = {
    PairSelection.RANDOM: pb.PAIR_SELECTION_RANDOM,
    PairSelection.UNCERTAINTY: pb.PAIR_SELECTION_UNCERTAINTY,
}
# Unspecified means the first of each.
KIND_NAMES = {number: kind for kind, number in KINDS.items()} | {0: CampaignKind.COMPARISON}
SELECTION_NAMES = {number: selection for selection, number in SELECTIONS.items()} | {0: PairSelection.RANDOM}
DEFAULT_RANKED = 4


def decode_spec(spec: pb.CampaignSpec) -> CampaignSpec:
    kind = known(KIND_NAMES, spec.kind, "spec.kind")
    shares = {
        name: round(getattr(spec, name), 6)  # the contract has 32 bits for it
        for name in ("overlap_share", "gold_share", "repeat_share")
        if spec.HasField(name)
    }
    ranked = spec.responses_per_item or (DEFAULT_RANKED if kind is CampaignKind.RANKING else 0)
    return CampaignSpec(
        name=spec.name,
        title=spec.title,
        kind=kind,
        guidelines=spec.guidelines,
        generation=_decode_generation(spec.generated) if spec.HasField("generated") else None,
        dataset=spec.dataset,
        strength=spec.strength,
        overlap=spec.overlap or CampaignSpec.overlap,
        responses_per_item=ranked,
        skills=tuple(spec.skills),
        seed=spec.seed,
        **shares,
    )


def _decode_generation(generated: pb.GeneratedItems) -> Generation:
    return Generation(
        models=tuple(generated.models),
        dataset=generated.dataset,
        prompts=tuple(CampaignPrompt(decode_prompt(p.prompt), p.domain) for p in generated.prompts),
        samples_per_model=generated.samples_per_model,
        sampling=_decode_sampling(generated.sampling),
        num_items=generated.num_items,
        selection=known(SELECTION_NAMES, generated.selection, "spec.generated.selection"),
        reward_models=tuple(generated.reward_models),
    )


def _decode_sampling(sampling: types.Sampling) -> Sampling:
    given = {name: getattr(sampling, name) for name in ("temperature", "top_p") if sampling.HasField(name)}
    return Sampling(max_new_tokens=sampling.max_new_tokens, top_k=sampling.top_k, stop=tuple(sampling.stop), **given)


def decode_prompt(conversation: types.Conversation) -> Prompt:
    return tuple(Message(message.role, message.content) for message in conversation.messages)


def encode_prompt(prompt: Prompt) -> types.Conversation:
    messages = [types.Message(role=message.role, content=message.content) for message in prompt]
    return types.Conversation(messages=messages)


def decode_item(item: pb.Item) -> Item:
    return Item(
        prompt=decode_prompt(item.prompt),
        responses=tuple(item.responses),
        sources=tuple(item.sources),
        domain=item.domain,
        gold=item.gold if item.HasField("gold") else None,
        propensity=item.propensity or 1.0,
    )


def encode_campaign(campaign: Campaign, with_models: bool) -> pb.Campaign:
    """Without models for those who judge what these models said."""
    return pb.Campaign(
        spec=_encode_spec(campaign.spec, with_models),
        state=STATES[campaign.state],
        reason=campaign.reason if with_models else "",
        created_at=encode_time(campaign.record.created_at),
        closed_at=encode_time(campaign.end.at) if campaign.end else None,
        guidelines=campaign.guidelines[-1],
        guidelines_version=len(campaign.guidelines),
        progress=encode_progress(campaign.tally),
    )


def _encode_spec(spec: CampaignSpec, with_models: bool) -> pb.CampaignSpec:
    names = ("name", "title", "guidelines", "overlap", "overlap_share", "gold_share", "repeat_share", "strength")
    fields: dict[str, Any] = {name: getattr(spec, name) for name in names}
    encoded = pb.CampaignSpec(
        **fields,
        kind=KINDS[spec.kind],
        responses_per_item=spec.responses_per_item,
        skills=spec.skills,
        seed=spec.seed,
    )
    if spec.dataset and with_models:
        encoded.dataset = spec.dataset
    if spec.generation and with_models:
        encoded.generated.CopyFrom(_encode_generation(spec.generation))
    return encoded


def _encode_generation(generation: Generation) -> pb.GeneratedItems:
    sampling = generation.sampling
    return pb.GeneratedItems(
        dataset=generation.dataset,
        models=generation.models,
        samples_per_model=generation.samples_per_model,
        sampling=types.Sampling(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_new_tokens=sampling.max_new_tokens,
            stop=sampling.stop,
        ),
        num_items=generation.num_items,
        selection=SELECTIONS[generation.selection],
        reward_models=generation.reward_models,
    )


def encode_progress(tally: Tally) -> pb.CampaignProgress:
    return pb.CampaignProgress(
        items=len(tally.wanted),
        gold_items=len(tally.gold),
        items_done=len(tally.wanted) - len(tally.open),
        judgements_wanted=tally.num_wanted,
        judgements=tally.num_votes,
        raters=len(tally.raters),
    )


def known(names: dict[int, Any], number: int, field: str) -> Any:
    """The value of an enum; a number that this version does not know is refused."""
    if number not in names:
        raise InvalidInput(Problem(field, str(number), f"one of {', '.join(sorted(set(map(str, names.values()))))}"))
    return names[number]
