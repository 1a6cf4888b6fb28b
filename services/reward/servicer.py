"""RewardService over gRPC: decode, call, encode."""

from functools import partial
from typing import Any

import grpc
from grpc.aio import ServicerContext
from prometheus_client import REGISTRY, CollectorRegistry
from rlhf.v1 import reward_pb2 as pb
from rlhf.v1 import reward_pb2_grpc
from rlhf.v1.types_pb2 import ModelVersion

from services.reward.metrics import reward_metrics
from services.reward.model import Response, RewardModel, ScoreItem
from services.reward.reward import Reward
from services.reward.scores import Reason, Score
from services.reward.settings import RewardSettings
from services.serving.devices import device_of
from services.serving.lifecycle_servicer import add_lifecycle
from services.serving.models import model_thread, open_pool
from services.serving.prompts import read_prompt

REASONS = {
    None: pb.SCORE_ERROR_REASON_UNSPECIFIED,
    Reason.TOO_LONG: pb.SCORE_ERROR_REASON_TOO_LONG,
    Reason.NOT_FINITE: pb.SCORE_ERROR_REASON_NOT_FINITE,
}


class RewardServicer(reward_pb2_grpc.RewardServiceServicer):
    def __init__(self, reward: Reward):
        self._reward = reward

    async def Score(self, request: pb.ScoreRequest, context: ServicerContext) -> pb.ScoreResponse:
        items = [
            ScoreItem(
                read_prompt(item.prompt),
                read_response(item.response),
                f"items[{i}].prompt",
                f"items[{i}].response",
                item.sequence,
            )
            for i, item in enumerate(request.items)
        ]
        scores = await self._reward.score(
            request.models,
            items,
            request.tokenizer_digest,
            deterministic=request.deterministic,
        )
        return pb.ScoreResponse(scores=map(write_score, scores))

    async def Rank(self, request: pb.RankRequest, context: ServicerContext) -> pb.RankResponse:
        prompt = read_prompt(request.prompt)
        items = [
            ScoreItem(prompt, read_response(response), "prompt", f"responses[{i}]")
            for i, response in enumerate(request.responses)
        ]
        ranked = await self._reward.rank(request.models, items, request.tokenizer_digest)
        return pb.RankResponse(ranked=[pb.RankedResponse(index=i, score=write_score(score)) for i, score in ranked])


def register(settings: RewardSettings, server: grpc.aio.Server, registry: CollectorRegistry = REGISTRY) -> list[str]:
    """The full names of what the server answers from now on."""
    metrics = reward_metrics(registry)
    pool = open_pool(settings, metrics, partial(RewardModel.load, device=device_of(settings.device)))
    servicer = RewardServicer(Reward(pool, model_thread(settings), settings, metrics))
    reward_pb2_grpc.add_RewardServiceServicer_to_server(servicer, server)
    return [pb.DESCRIPTOR.services_by_name["RewardService"].full_name, add_lifecycle(server, pool)]


def read_response(response: Any) -> Response:
    """An unset form is an empty list; an empty text is a response that ended at once."""
    return response.text if response.WhichOneof("form") == "text" else list(response.token_ids.ids)


def write_score(score: Score) -> pb.Score:
    if score.error:
        return pb.Score(status=pb.SCORE_STATUS_ERROR, error=score.error, error_reason=REASONS[score.reason])
    return pb.Score(
        status=pb.SCORE_STATUS_OK,
        raw=score.raw,
        normalized=score.normalized,
        member_scores=score.member_scores,
        spread=score.spread,
        truncated=score.truncated,
        model_versions=[ModelVersion(model=v.model, version=v.version, digest=v.digest) for v in score.versions],
    )
