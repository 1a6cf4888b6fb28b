"""Reward models of the service as the functions that other frameworks call. See also `rlhf.verl`.

A score that failed raises: a number in its place would be learned from.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rlhf.client import Client
from rlhf.errors import RlhfError
from rlhf.inputs import Prompt
from rlhf.reward import Score
from rlhf.versions import ModelName

PAIRS_PER_CALL = 256

Completion = str | Sequence[Mapping[str, Any]]
"""Text, or messages, of which the last is the answer."""


def as_reward_function(client: Client, model: ModelName | Sequence[ModelName]) -> Callable[[Prompt, str], float]:
    """`f(prompt, response)`: the normalised score, 0 for an average demonstration; of an ensemble, the mean."""

    def reward(prompt: Prompt, response: str) -> float:
        return number(client.reward.score([(prompt, response)], model=model)[0])

    return reward


def as_trl_reward(client: Client, model: ModelName | Sequence[ModelName]) -> Callable[..., list[float]]:
    """A reward function for TRL's trainers (GRPO, RLOO, …), for standard and conversational datasets.

    >>> GRPOTrainer(model, reward_funcs=as_trl_reward(client, "judge"), …)
    """

    def reward(prompts: Sequence[Prompt], completions: Sequence[Completion], **columns: Any) -> list[float]:
        pairs = [(_prompt(prompt), _text(completion)) for prompt, completion in zip(prompts, completions, strict=True)]
        parts = [pairs[start : start + PAIRS_PER_CALL] for start in range(0, len(pairs), PAIRS_PER_CALL)]
        return [number(score) for part in parts for score in client.reward.score(part, model=model)]

    reward.__name__ = f"rlhf_{model if isinstance(model, str) else 'reward'}"  # TRL logs it under this name
    return reward


def number(score: Score) -> float:
    """Raises RlhfError for a score that failed."""
    if score.normalized is None:
        raise RlhfError(f"a response has no score: {score.error}")
    return score.normalized


def _prompt(prompt: Any) -> Prompt:
    """Messages with what is theirs alone; trainers add keys of their own."""
    if isinstance(prompt, str):
        return prompt
    return [{"role": message["role"], "content": message["content"]} for message in prompt]


def _text(completion: Completion) -> str:
    return completion if isinstance(completion, str) else str(completion[-1]["content"])
