"""Campaigns are created, changed, listed and closed; over gRPC, and across restarts."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from rlhf.v1 import feedback_pb2 as pb
from rlhf.v1 import types_pb2 as types

from tests.unit.feedback.desk import Desk, conversation, desk, pair, pairs
from tests.unit.serving.live import violations

SAMPLING = types.Sampling(max_new_tokens=8)
PROMPT = pb.CampaignPrompt(prompt=conversation("why"))


async def refused(service: Desk, **spec: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await service.create(**spec)
    return raised.value


async def test_a_campaign_comes_with_every_default_filled_in_and_survives_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        made = await service.create("tone", guidelines="*Be kind.*", items=pairs(5))
    async with desk(tmp_path) as service:
        found = (await service.stub.GetCampaign(pb.GetCampaignRequest(campaign="tone"))).campaign
    spec = found.spec
    assert made.state == found.state == pb.CAMPAIGN_STATE_OPEN
    assert (spec.title, spec.kind, spec.overlap) == ("tone", pb.CAMPAIGN_KIND_COMPARISON, 2)
    assert [spec.overlap_share, spec.gold_share, spec.repeat_share] == pytest.approx([0.2, 0.08, 0.05])
    assert (found.guidelines, found.guidelines_version) == ("*Be kind.*", 1)
    assert (found.progress.items, found.progress.judgements_wanted) == (5, 6)


async def test_a_share_of_zero_is_a_choice(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        spec = (await service.create(gold_share=0.0, repeat_share=0.0, overlap_share=0.0)).spec
    assert spec.HasField("gold_share")
    assert (spec.gold_share, spec.repeat_share, spec.overlap_share) == (0, 0, 0)


async def test_the_same_request_makes_one_campaign(tmp_path: Path) -> None:
    request = pb.CreateCampaignRequest(spec=pb.CampaignSpec(name="tone"), request_id="a")
    async with desk(tmp_path) as service:
        made = await asyncio.gather(*(service.stub.CreateCampaign(request) for _ in range(3)))
        request.request_id = "b"
        with pytest.raises(grpc.aio.AioRpcError, match="there is a campaign tone already") as raised:
            await service.stub.CreateCampaign(request)
        listed = (await service.stub.ListCampaigns(pb.ListCampaignsRequest())).campaigns
    assert made[0] == made[1] == made[2]
    assert len(listed) == 1
    assert raised.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_the_newest_campaign_is_listed_first_and_an_unknown_one_is_not_found(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        for name in ("one", "two"):
            await service.create(name)
        listed = (await service.stub.ListCampaigns(pb.ListCampaignsRequest())).campaigns
        with pytest.raises(grpc.aio.AioRpcError, match="no campaign 'three'; there are two, one") as raised:
            await service.next("anna", campaign="three")
    assert [campaign.spec.name for campaign in listed] == ["two", "one"]
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_guidelines_have_versions_and_judgements_name_theirs(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(guidelines="first", items=pairs(2), overlap_share=0.0)
        old = (await service.next("anna")).assignment
        for text in ("second", "second"):
            await service.stub.SetGuidelines(pb.SetGuidelinesRequest(campaign="tone", guidelines=text))
        await service.submit("anna", old.id, guidelines_version=old.guidelines_version)
    async with desk(tmp_path) as service:
        await service.submit("anna", (await service.next("anna")).assignment.id)
        campaign = (await service.stub.GetCampaign(pb.GetCampaignRequest(campaign="tone"))).campaign
        found = await service.judgements()
    assert (campaign.guidelines, campaign.guidelines_version) == ("second", 2)
    assert [judgement.guidelines_version for judgement in found] == [1, 2]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"name": "../tone"}, "spec.name"),
        ({"name": "a/b"}, "spec.name"),
        ({"name": ""}, "spec.name"),
        ({"kind": 77}, "spec.kind"),
        ({"title": "x" * 201}, "spec.title"),
        ({"guidelines": "x" * 65_537}, "spec.guidelines"),
        ({"gold_share": 1.5}, "spec.gold_share"),
        ({"gold_share": 0.4, "repeat_share": 0.4}, "spec.gold_share"),
        ({"overlap": 101}, "spec.overlap"),
        ({"kind": pb.CAMPAIGN_KIND_RANKING, "responses_per_item": 20}, "spec.responses_per_item"),
        ({"kind": pb.CAMPAIGN_KIND_DEMONSTRATION, "strength": True}, "spec.strength"),
        ({"skills": ["a b"]}, "spec.skills"),
        ({"generated": pb.GeneratedItems(models=["sft"], sampling=SAMPLING)}, "spec.generated.prompts"),
        ({"generated": pb.GeneratedItems(prompts=[PROMPT], sampling=SAMPLING)}, "spec.generated.models"),
        ({"generated": pb.GeneratedItems(prompts=[PROMPT], models=["sft"])}, "spec.generated.sampling.max_new_tokens"),
        (
            {"generated": pb.GeneratedItems(prompts=[pb.CampaignPrompt()], models=["sft"], sampling=SAMPLING)},
            "spec.generated.prompts[0].prompt",
        ),
        (
            {"generated": pb.GeneratedItems(prompts=[PROMPT], models=["sft"], samples_per_model=1, sampling=SAMPLING)},
            "spec.generated.samples_per_model",
        ),
        (
            {
                "generated": pb.GeneratedItems(
                    prompts=[PROMPT], models=["sft"], sampling=SAMPLING, selection=pb.PAIR_SELECTION_UNCERTAINTY
                )
            },
            "spec.generated.reward_models",
        ),
    ],
)
async def test_a_bad_spec_names_the_field_before_anything_starts(tmp_path: Path, spec: dict, field: str) -> None:
    async with desk(tmp_path) as service:
        error = await refused(service, **spec)
        assert (await service.stub.ListCampaigns(pb.ListCampaignsRequest())).campaigns == []
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert list(violations(error)) == [field]


async def test_what_a_spec_names_must_be_in_the_catalog(tmp_path: Path) -> None:
    generated = pb.GeneratedItems(prompts=[PROMPT], models=["nobody"], sampling=SAMPLING)
    async with desk(tmp_path) as service:
        assert (await refused(service, generated=generated)).code() is grpc.StatusCode.NOT_FOUND
        assert (await refused(service, dataset="nothing@1")).code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"responses": ["one"]}, "items[0].responses"),
        ({"responses": ["one", "two", "three"]}, "items[0].responses"),
        ({"responses": ["same", "same"]}, "items[0].responses"),
        ({"responses": ["one", "  "]}, "items[0].responses[1]"),
        ({"responses": ["one", "x" * 65_537]}, "items[0].responses[1]"),
        ({"sources": ["only one"]}, "items[0].sources"),
        ({"gold": 2}, "items[0].gold"),
        ({"propensity": 1.5}, "items[0].propensity"),
        ({"domain": "x" * 201}, "items[0].domain"),
        ({"prompt": types.Conversation()}, "items[0].prompt"),
        (
            {"prompt": types.Conversation(messages=[types.Message(role="god", content="x")])},
            "items[0].prompt[0].role",
        ),
    ],
)
async def test_a_bad_item_is_refused_and_none_of_its_request_is_kept(tmp_path: Path, change: dict, field: str) -> None:
    bad = pb.Item(**{"prompt": conversation("why"), "responses": ["one", "two"], **change})
    async with desk(tmp_path) as service:
        await service.create()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.stub.AddItems(pb.AddItemsRequest(campaign="tone", items=[bad, pair(1)]))
        campaign = (await service.stub.GetCampaign(pb.GetCampaignRequest(campaign="tone"))).campaign
    assert list(violations(raised.value)) == [field]
    assert campaign.progress.items == 0


async def test_items_are_added_once_for_a_request_and_bounded(tmp_path: Path) -> None:
    async with desk(tmp_path, max_items=1500) as service:
        await service.create()
        for request_id in ("a", "a", "b"):
            request = pb.AddItemsRequest(campaign="tone", items=pairs(700), request_id=request_id)
            answer = await service.stub.AddItems(request)
            assert answer.added == 700
        for count in (0, 101, 1001):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await service.stub.AddItems(pb.AddItemsRequest(campaign="tone", items=pairs(count)))
            assert list(violations(raised.value)) == ["items"]
    assert answer.campaign.progress.items == 1400


async def test_the_texts_of_a_campaign_are_bounded(tmp_path: Path) -> None:
    big = [pair(n, better="x" * 60_000) for n in range(20)]
    async with desk(tmp_path, max_campaign_mib=1) as service:
        await service.create()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.stub.AddItems(pb.AddItemsRequest(campaign="tone", items=big))
    assert violations(raised.value) == {"items": "got 1 MiB, expected at most 1 in a campaign"}


async def test_there_are_as_many_campaigns_as_allowed(tmp_path: Path) -> None:
    async with desk(tmp_path, max_campaigns=1) as service:
        await service.create("one")
        assert list(violations(await refused(service, name="two"))) == ["campaign"]


async def test_judgements_are_listed_in_pages(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(7), overlap_share=0.0)
        await service.work("anna", lambda _: pb.Preference(choice=pb.CHOICE_TIE))
        request, pages = pb.ListJudgementsRequest(campaign="tone", page_size=3), []
        while not pages or request.page_token:
            answer = await service.stub.ListJudgements(request)
            pages.append([judgement.id for judgement in answer.judgements])
            request.page_token = answer.next_page_token
        for bad in ({"page_size": 1001}, {"page_token": "-1"}, {"page_token": "x"}):
            with pytest.raises(grpc.aio.AioRpcError):
                await service.stub.ListJudgements(pb.ListJudgementsRequest(campaign="tone", **bad))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({judgement for page in pages for judgement in page}) == 7
