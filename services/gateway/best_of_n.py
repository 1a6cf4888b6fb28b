"""Best-of-n: several answers are sampled, scored, and come back as a chat completion, best first."""

from typing import Any

import rlhf
from pydantic import Field

from services.gateway.bodies import ModelName
from services.gateway.chat import MAX_CHOICES, completion
from services.gateway.conversations import Sampled
from services.gateway.scores import number


class BestOfN(Sampled):
    reward_model: ModelName = "reward/default"
    n: int = Field(4, ge=1, le=MAX_CHOICES)


async def best_of_n(body: BestOfN, client: rlhf.AsyncClient) -> dict[str, Any]:
    """`choices[0]` is the best; an answer that could not be scored comes last, with a reward of null."""
    rollouts = await client.policy.generate([body.prompt], samples_per_prompt=body.n, **body.sampling)
    ranked = await client.reward.rank(body.prompt, [rollout.text for rollout in rollouts], model=body.reward_model)
    found = completion([rollouts[each.index] for each in ranked])
    for choice, each in zip(found["choices"], ranked, strict=True):
        choice["reward"] = dict(zip(("raw", "normalized"), number(each.score))) if each.score.ok else None
    return found
