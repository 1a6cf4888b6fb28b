"""Best of n: several responses of a policy, the one that the reward model likes most."""

from dataclasses import dataclass
from typing import Any

from rlhf.errors import RlhfError
from rlhf.inputs import Prompt
from rlhf.policy import Rollout
from rlhf.reward import RankedResponse
from rlhf.versions import ModelName


@dataclass(frozen=True)
class BestOfN:
    """`text` is the best response; `ranked` are all, best first, those without a score last."""

    text: str
    ranked: list[RankedResponse]


@dataclass(frozen=True)
class Plan:
    """What to ask of both services."""

    prompt: Prompt
    n: int
    policy: ModelName
    reward: ModelName
    max_new_tokens: int
    temperature: float
    seed: int
    timeout: float

    def generating(self) -> dict[str, Any]:
        return {
            "prompts": self.prompt,
            "model": self.policy,
            "samples_per_prompt": self.n,
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "timeout": self.timeout,
        }

    def ranking(self, rollouts: list[Rollout]) -> dict[str, Any]:
        texts = [rollout.text for rollout in rollouts]
        return {"prompt": self.prompt, "responses": texts, "model": self.reward, "timeout": self.timeout}


def best(ranked: list[RankedResponse]) -> BestOfN:
    """Raises RlhfError where no response has a score."""
    if not ranked or not ranked[0].score.ok:
        raise RlhfError(f"no response has a score: {ranked[0].score.error if ranked else 'none was made'}")
    return BestOfN(str(ranked[0].response), ranked)
