"""OpenRLHF's `/get_reward`: one sample a call, hundreds of calls at once, and no model in it."""

from typing import Annotated, Any

import rlhf
from pydantic import ConfigDict, Field

from services.gateway.bodies import Body, ModelName, Texts
from services.gateway.scores import MAX_TEXTS, numbers, sigmoid

Queries = Annotated[Texts, Field(max_length=MAX_TEXTS)]


class GetReward(Body):
    """`query` is prompt and response together, special tokens spelled out; the rest is for rewards by rule."""

    model_config = ConfigDict(extra="ignore")

    query: Queries
    model: ModelName = "reward/default"


async def get_reward(body: GetReward, client: rlhf.AsyncClient) -> dict[str, Any]:
    """`rewards` are normalised, so that demonstrations average 0; `scores` are the same in 0 to 1."""
    found = await client.reward.score_sequences(body.query, model=body.model) if body.query else []
    scores = numbers(found, "query")
    return {
        "rewards": [normalized for _, normalized in scores],
        "scores": [sigmoid(normalized) for _, normalized in scores],
        "extra_logs": {"raw_reward": [raw for raw, _ in scores]},
    }
