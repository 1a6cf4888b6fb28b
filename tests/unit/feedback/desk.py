"""A feedback service in this process, over real storage and real gRPC, and what tests ask of it."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from rlhf.v1 import feedback_pb2 as pb
from rlhf.v1 import types_pb2 as types
from rlhf.v1.feedback_pb2_grpc import FeedbackServiceStub

from services.feedback.service import Feedback
from services.feedback.settings import FeedbackSettings
from services.runtime.server import running

COUNTER = itertools.count()
Answer = Callable[[pb.Assignment], pb.Preference]


def settings(folder: Path, **changes: Any) -> FeedbackSettings:
    paths = {"storage": str(folder / "store"), "cache": folder / "cache", "work_dir": folder / "work"}
    return FeedbackSettings(**{**paths, "port": 0, "metrics_port": 0, "drain_seconds": 3.0, **changes})


@dataclass
class Desk:
    """An async stub; the generated one is typed for sync use."""

    stub: Any

    async def create(self, name: str = "tone", items: list[pb.Item] | None = None, **spec: Any) -> pb.Campaign:
        request = pb.CreateCampaignRequest(spec=pb.CampaignSpec(name=name, **spec), request_id=f"create-{name}")
        campaign = (await self.stub.CreateCampaign(request)).campaign
        if items:
            await self.stub.AddItems(pb.AddItemsRequest(campaign=name, items=items, request_id="items"))
        return campaign

    async def next(self, rater: str, campaign: str = "tone") -> pb.NextItemResponse:
        return await self.stub.NextItem(pb.NextItemRequest(campaign=campaign, rater=rater))

    async def submit(
        self, rater: str, assignment: str, choice: int = pb.CHOICE_FIRST, campaign: str = "tone", **fields: Any
    ) -> pb.SubmitJudgementResponse:
        if not fields.keys() & {"preference", "ranking", "demonstration", "skip"}:
            fields["preference"] = pb.Preference(choice=choice)
        fields.setdefault("request_id", f"r{next(COUNTER)}")
        request = pb.SubmitJudgementRequest(campaign=campaign, rater=rater, assignment=assignment, **fields)
        return await self.stub.SubmitJudgement(request)

    async def undo(self, rater: str, campaign: str = "tone", **fields: Any) -> pb.UndoJudgementResponse:
        fields.setdefault("request_id", f"u{next(COUNTER)}")
        return await self.stub.UndoJudgement(pb.UndoJudgementRequest(campaign=campaign, rater=rater, **fields))

    async def work(self, rater: str, answer: Answer, campaign: str = "tone", most: int = 10_000) -> int:
        """Judges all there is for the rater; how many that were."""
        for done in range(most):
            found = await self.next(rater, campaign)
            if not found.HasField("assignment"):
                return done
            await self.submit(rater, found.assignment.id, campaign=campaign, preference=answer(found.assignment))
        return most

    async def judgements(self, campaign: str = "tone", **fields: Any) -> list[pb.Judgement]:
        request = pb.ListJudgementsRequest(campaign=campaign, page_size=1000, **fields)
        return list((await self.stub.ListJudgements(request)).judgements)

    async def statistics(self, campaign: str = "tone") -> pb.GetStatisticsResponse:
        return await self.stub.GetStatistics(pb.GetStatisticsRequest(campaign=campaign))

    async def download(self, campaign: str = "tone", **fields: Any) -> bytes:
        call = self.stub.DownloadExport(pb.DownloadExportRequest(campaign=campaign, **fields))
        return b"".join([part.chunk async for part in call])


@asynccontextmanager
async def desk(folder: Path, models: Any = None, **changes: Any) -> AsyncIterator[Desk]:
    """Over the storage in `folder`, which another one may have filled before."""
    chosen = settings(folder, **changes)
    feedback = Feedback(chosen, models) if models else Feedback(chosen)
    async with (
        running("feedback", chosen, feedback.register) as address,
        feedback.preparing(address),
        grpc.aio.insecure_channel(str(address)) as channel,
    ):
        yield Desk(FeedbackServiceStub(channel))


def pair(number: int, better: str = "good", worse: str = "bad", **fields: Any) -> pb.Item:
    """Responses `good <number>` and `bad <number>`, in an order that changes."""
    responses = [f"{better} {number}", f"{worse} {number}"]
    return pb.Item(
        prompt=conversation(f"question {number}"), responses=responses if number % 2 else responses[::-1], **fields
    )


def pairs(count: int, **fields: Any) -> list[pb.Item]:
    return [pair(number, **fields) for number in range(count)]


def conversation(text: str) -> types.Conversation:
    return types.Conversation(messages=[types.Message(role="user", content=text)])


def prefer(word: str) -> Answer:
    """Whichever response has the word in it."""

    def answer(assignment: pb.Assignment) -> pb.Preference:
        first = word in assignment.responses[0]
        return pb.Preference(choice=pb.CHOICE_FIRST if first else pb.CHOICE_SECOND)

    return answer
