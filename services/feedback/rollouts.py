"""Asks the policy for responses and the reward service for scores; the only module here that calls other services."""

import itertools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from rlhf.v1 import policy_pb2, policy_pb2_grpc, reward_pb2, reward_pb2_grpc
from rlhf.v1 import types_pb2 as types

from services.data.records import Prompt
from services.feedback.recipe import Sampling
from services.runtime.channels import RemoteError, call, open_channel, own_credentials
from services.runtime.errors import ServiceError

CALL_SECONDS = 120.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
# A service that is down is waited for: it comes back, or somebody closes the campaign, or this process stops.
WAITED_FOR = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
ITEMS_PER_CALL = 256

log = logging.getLogger(__name__)


class Stopped(ServiceError):
    """This process stops; nothing is wrong."""


class ModelServices:
    """Blocking; `close` ends whatever call is under way."""

    def __init__(self, policy: str, reward: str) -> None:
        credentials = own_credentials(os.environ)
        self._policy, self._reward = (open_channel(address, credentials) for address in (policy, reward))
        # Typed for plain channels.
        self._generate: Any = policy_pb2_grpc.PolicyServiceStub(self._policy).Generate  # type: ignore[arg-type]
        self._score: Any = reward_pb2_grpc.RewardServiceStub(self._reward).Score  # type: ignore[arg-type]
        self._stopping = threading.Event()

    def close(self) -> None:
        self._stopping.set()
        for connection in (self._policy, self._reward):
            connection.close()

    def generate(
        self,
        model: str,
        prompts: Sequence[Prompt],
        samples: int,
        sampling: Sampling,
        seed: int,
        told: Callable[[str], None],
    ) -> list[list[str]]:
        """`samples` responses to each prompt, in order.

        `told` hears in words what is waited for, and ends the wait by raising.
        """
        request = policy_pb2.GenerateRequest(
            model=model,
            prompts=map(_prompt, prompts),
            samples_per_prompt=samples,
            sampling=types.Sampling(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
                max_new_tokens=sampling.max_new_tokens,
                stop=sampling.stop,
                seed=seed,
            ),
        )
        texts: list[list[str]] = [[] for _ in prompts]
        for rollout in self._ask(self._generate, request, told).rollouts:
            texts[rollout.prompt_index].append(rollout.text)
        return texts

    def score(
        self, models: Sequence[str], items: Sequence[tuple[Prompt, str]], told: Callable[[str], None]
    ) -> list[list[float] | None]:
        """Each member's score of each (prompt, response); None where it has none."""
        scores: list[list[float] | None] = []
        for start in range(0, len(items), ITEMS_PER_CALL):
            part = [
                reward_pb2.ScoreItem(prompt=_prompt(prompt), response=types.Response(text=text))
                for prompt, text in items[start : start + ITEMS_PER_CALL]
            ]
            answer = self._ask(self._score, reward_pb2.ScoreRequest(models=models, items=part), told)
            scores += [list(s.member_scores) if s.status == reward_pb2.SCORE_STATUS_OK else None for s in answer.scores]
        return scores

    def _ask(self, method: Callable[..., Any], request: Any, told: Callable[[str], None]) -> Any:
        """Until there is an answer. It retries itself, as only a wait of its own ends when this process stops."""
        for attempt in itertools.count():
            try:
                return call(method, request, CALL_SECONDS, retry=False)
            except (RemoteError, ValueError) as error:  # the second is what a closed channel raises
                if self._stopping.is_set():
                    raise Stopped("the service stops") from error
                if not isinstance(error, RemoteError) or error.code not in WAITED_FOR:
                    raise
                told(f"waits for a model service: {error}")
                log.warning("still waiting: %s", error)
            self._stopping.wait(min(FIRST_PAUSE_SECONDS * 2 ** min(attempt, 10), LONGEST_PAUSE_SECONDS))


def _prompt(prompt: Prompt) -> types.Prompt:
    messages = [types.Message(role=message.role, content=message.content) for message in prompt]
    return types.Prompt(conversation=types.Conversation(messages=messages))
