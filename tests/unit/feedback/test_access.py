"""With tokens: annotators judge for themselves, blindly, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from rlhf.v1 import feedback_pb2 as pb
from rlhf.v1.feedback_pb2_grpc import FeedbackServiceStub

from services.feedback.service import Feedback
from services.runtime.server import running
from tests.unit.feedback.desk import pairs, settings

ROLES = {"anna": "annotator", "ben": "annotator", "olga": "operator", "carl": "caller"}
TOKEN = {name: (name * 16)[:48] for name in ROLES}
TOKENS = "\n".join(f"{role} {name} {TOKEN[name]}" for name, role in ROLES.items())


@asynccontextmanager
async def office(folder: Path, **access: Any) -> AsyncIterator[Any]:
    """A function that makes calls as somebody."""
    chosen = settings(folder, **(access or {"tokens": TOKENS}))
    feedback = Feedback(chosen)
    async with (
        running("feedback", chosen, feedback.register) as address,
        grpc.aio.insecure_channel(str(address)) as channel,
    ):
        stub = FeedbackServiceStub(channel)

        async def call(name: str, method: str, request: Any) -> Any:
            return await getattr(stub, method)(request, metadata=[("authorization", f"Bearer {TOKEN[name]}")])

        spec = pb.CampaignSpec(name="tone", overlap_share=0.0, gold_share=0.5, repeat_share=0.0)
        await call("olga", "CreateCampaign", pb.CreateCampaignRequest(spec=spec))
        items = [*pairs(6, sources=["model-a", "model-b"]), *pairs(6, gold=0)]
        await call("olga", "AddItems", pb.AddItemsRequest(campaign="tone", items=items))
        yield call


async def test_an_annotator_is_the_rater_and_cannot_be_another(tmp_path: Path) -> None:
    async with office(tmp_path) as call:
        found = await call("anna", "NextItem", pb.NextItemRequest(campaign="tone"))
        with pytest.raises(grpc.aio.AioRpcError, match="ben cannot judge for 'anna'") as raised:
            await call("ben", "NextItem", pb.NextItemRequest(campaign="tone", rater="anna"))
        answer = {"campaign": "tone", "assignment": found.assignment.id, "request_id": "1"}
        preference = pb.Preference(choice=pb.CHOICE_FIRST)
        for rater in ("anna", ""):
            request = pb.SubmitJudgementRequest(rater=rater, preference=preference, **answer)
            with pytest.raises(grpc.aio.AioRpcError) as stolen:
                await call("ben", "SubmitJudgement", request)
            assert stolen.value.code() is grpc.StatusCode.PERMISSION_DENIED
        for method, request in (
            ("UndoJudgement", pb.UndoJudgementRequest(campaign="tone", rater="anna", request_id="x")),
            ("ListJudgements", pb.ListJudgementsRequest(campaign="tone", rater="anna")),
            ("GetProgress", pb.GetProgressRequest(campaign="tone", rater="anna")),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="ben cannot judge for"):
                await call("ben", method, request)
        await call("anna", "SubmitJudgement", pb.SubmitJudgementRequest(preference=preference, **answer))
        listed = await call("olga", "ListJudgements", pb.ListJudgementsRequest(campaign="tone"))
    assert found.progress.rater == "anna"
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert [judgement.rater for judgement in listed.judgements] == ["anna"]


async def test_an_annotator_sees_neither_models_nor_gold_nor_the_judgements_of_others(tmp_path: Path) -> None:
    async with office(tmp_path) as call:
        for name in ("anna", "ben"):
            for number in range(4):
                found = await call(name, "NextItem", pb.NextItemRequest(campaign="tone"))
                request = pb.SubmitJudgementRequest(
                    campaign="tone",
                    assignment=found.assignment.id,
                    preference=pb.Preference(choice=pb.CHOICE_FIRST),
                    request_id=f"{number}",
                )
                await call(name, "SubmitJudgement", request)
        own = (await call("anna", "ListJudgements", pb.ListJudgementsRequest(campaign="tone"))).judgements
        all_ = (await call("olga", "ListJudgements", pb.ListJudgementsRequest(campaign="tone"))).judgements
        campaign = await call("anna", "GetCampaign", pb.GetCampaignRequest(campaign="tone"))
    assert {judgement.rater for judgement in own} == {"anna"}
    assert len(own) == 4
    assert len(all_) == 8
    assert any(judgement.gold for judgement in all_)
    assert not any(judgement.gold or judgement.order or judgement.item for judgement in own)
    assert "model-" not in str(campaign)


async def test_who_has_a_new_token_goes_on_and_who_has_none_any_more_is_out(tmp_path: Path, monkeypatch) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKENS)
    asked = pb.NextItemRequest(campaign="tone")
    async with office(tmp_path, tokens_file=tokens) as call:
        found = {name: (await call(name, "NextItem", asked)).assignment for name in ("anna", "ben")}
        replaced = "another-token-of-annas-" * 2
        kept = [line for line in TOKENS.splitlines() if "anna " not in line and "ben " not in line]
        tokens.write_text("\n".join([*kept, f"annotator anna {replaced}"]))
        for name in ("anna", "ben"):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(name, "NextItem", asked)
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
        monkeypatch.setitem(TOKEN, "anna", replaced)
        assert (await call("anna", "NextItem", asked)).assignment == found["anna"]
        stolen = pb.SubmitJudgementRequest(
            campaign="tone", assignment=found["ben"].id, preference=pb.Preference(choice=1), request_id="1"
        )
        with pytest.raises(grpc.aio.AioRpcError, match="was not given to anna"):
            await call("anna", "SubmitJudgement", stolen)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("CreateCampaign", pb.CreateCampaignRequest(spec=pb.CampaignSpec(name="mine"))),
        ("CloseCampaign", pb.CloseCampaignRequest(campaign="tone")),
        ("SetGuidelines", pb.SetGuidelinesRequest(campaign="tone", guidelines="always first")),
        ("AddItems", pb.AddItemsRequest(campaign="tone", items=pairs(1))),
        ("SetRater", pb.SetRaterRequest(rater=pb.Rater(name="anna", skills=["all"]))),
        ("GetStatistics", pb.GetStatisticsRequest(campaign="tone")),
        ("ExportDataset", pb.ExportDatasetRequest(campaign="tone")),
    ],
)
async def test_annotators_and_callers_decide_nothing(tmp_path: Path, method: str, request_: Any) -> None:
    async with office(tmp_path) as call:
        for name in ("anna", "carl"):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(name, method, request_)
            assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
