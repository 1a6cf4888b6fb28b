"""Asks the policy, reward and reference services; no maths here."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from rlhf.connections import Connection
from rlhf.v1 import policy_pb2, policy_pb2_grpc, reference_pb2, reference_pb2_grpc, reward_pb2, reward_pb2_grpc
from rlhf.v1 import types_pb2 as types

from services.runtime.channels import RemoteError, call
from services.runtime.tracing import carried
from services.storage.models import Version
from services.trainer.worker.collector import Prompt, RewardRole
from services.trainer.worker.experience import Rollout, SamplingPlan, Score
from services.trainer.worker.seeds import derived_seed

CALL_SECONDS = 300.0
WAITED_FOR = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
PROMPTS_PER_CALL = 64
ITEMS_PER_CALL = 256
CALLS_AT_ONCE = 4  # spread over the replicas
SCORE_ERRORS = {
    reward_pb2.SCORE_ERROR_REASON_TOO_LONG: "too_long",
    reward_pb2.SCORE_ERROR_REASON_NOT_FINITE: "not_finite",
}

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channels:
    policy: Connection
    reward: Connection
    reference: Connection


class ServiceCollector:
    """A `Collector` over gRPC; `check` is asked while a service is waited for and raises when the wait is over."""

    def __init__(self, channels: Channels, check: Callable[[], None], patience: float) -> None:
        """`patience` is in seconds, after which a service that does not answer is an error."""
        self._check, self._patience = check, patience
        self._policy = policy_pb2_grpc.PolicyServiceStub(channels.policy)
        self._reward = reward_pb2_grpc.RewardServiceStub(channels.reward)
        self._reference = reference_pb2_grpc.ReferenceServiceStub(channels.reference)
        self._counting = threading.Lock()
        self.calls: dict[str, int] = Counter()
        self.items: dict[str, int] = Counter()

    def generate(self, versions: Sequence[Version], prompts: Sequence[Prompt], plan: SamplingPlan) -> list[Rollout]:
        def ask(part: int, some: Sequence[Prompt]) -> list[Rollout]:
            request = generate_request(versions, some, plan, derived_seed(plan.seed, part))
            answer = self._call(self._policy.Generate, request)
            self._count("Generate", len(answer.rollouts))
            first = part * PROMPTS_PER_CALL
            return [read_rollout(rollout, first + rollout.prompt_index, prompts) for rollout in answer.rollouts]

        return _in_parts(ask, prompts, PROMPTS_PER_CALL)

    def score(
        self, reward: RewardRole, prompts: Sequence[Prompt], rollouts: Sequence[Rollout], deterministic: bool
    ) -> list[Score]:
        def ask(_: int, some: Sequence[reward_pb2.ScoreItem]) -> list[Score]:
            request = reward_pb2.ScoreRequest(
                models=[str(reward.version)],
                items=some,
                tokenizer_digest=reward.tokenizer_digest if reward.takes_ids else "",
                deterministic=deterministic,
            )
            answer = self._call(self._reward.Score, request)
            self._count("Score", len(answer.scores))
            return [read_score(score) for score in answer.scores]

        pairs = zip(prompts, rollouts, strict=True)
        items = [write_ids(rollout) if reward.takes_ids else write_text(prompt, rollout) for prompt, rollout in pairs]
        return _in_parts(ask, items, ITEMS_PER_CALL)

    def reference_log_probs(
        self, reference: Version, rollouts: Sequence[Rollout], temperature: float, deterministic: bool
    ) -> list[list[float]]:
        def ask(_: int, some: Sequence[Rollout]) -> list[list[float]]:
            request = reference_pb2.LogProbsRequest(
                model=str(reference),
                sequences=[
                    reference_pb2.TokenSequence(prompt_ids=r.prompt_ids, response_ids=r.response_ids) for r in some
                ],
                temperature=temperature,
                deterministic=deterministic,
            )
            answer = self._call(self._reference.LogProbs, request)
            self._count("LogProbs", len(answer.sequences))
            return [list(sequence.log_probs) for sequence in answer.sequences]

        return _in_parts(ask, rollouts, ITEMS_PER_CALL)

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return call(method, request, min(CALL_SECONDS, self._patience))
            except RemoteError as error:
                if error.code not in WAITED_FOR or time.monotonic() > deadline:
                    raise
                log.warning("still waiting: %s", error)
            self._check()

    def _count(self, method: str, items: int) -> None:
        with self._counting:
            self.calls[method] += 1
            self.items[method] += items


def _in_parts(
    ask: Callable[[int, Sequence[ItemT]], Iterable[ResultT]], items: Sequence[ItemT], size: int
) -> list[ResultT]:
    """`ask(number of the part, part)` for parts of at most `size`, several at once, results in the order of `items`."""
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
        asked = [threads.submit(carried(ask), number, part) for number, part in enumerate(parts)]
        return [result for answer in asked for result in answer.result()]


def generate_request(
    versions: Sequence[Version], prompts: Sequence[Prompt], plan: SamplingPlan, seed: int
) -> policy_pb2.GenerateRequest:
    assert len({version.model for version in versions}) == 1, "acceptable versions share one name"
    return policy_pb2.GenerateRequest(
        model=versions[0].model,
        acceptable_versions=[version.version for version in versions],
        prompts=[types.Prompt(token_ids=types.TokenIds(ids=prompt.ids)) for prompt in prompts],
        samples_per_prompt=plan.samples_per_prompt,
        sampling=types.Sampling(temperature=plan.temperature, max_new_tokens=plan.max_new_tokens, seed=seed),
        deterministic=plan.deterministic,
    )


def read_rollout(rollout: types.Rollout, place: int, prompts: Sequence[Prompt]) -> Rollout:
    version = rollout.model_version
    return Rollout(
        place=place,
        sample=rollout.sample_index,
        prompt=prompts[place].index,
        prompt_ids=list(rollout.prompt_ids),
        response_ids=list(rollout.response_ids),
        log_probs=list(rollout.log_probs),
        # Without stop strings, which training never sets, only the end-of-sequence token stops a response.
        ended=rollout.finish_reason == types.FINISH_REASON_STOP,
        text=rollout.text,
        version=f"{version.model}@{version.version}",
        digest=version.digest,
    )


def write_ids(rollout: Rollout) -> reward_pb2.ScoreItem:
    return reward_pb2.ScoreItem(
        prompt=types.Prompt(token_ids=types.TokenIds(ids=rollout.prompt_ids)),
        response=types.Response(token_ids=types.TokenIds(ids=rollout.response_ids)),
    )


def write_text(prompt: Prompt, rollout: Rollout) -> reward_pb2.ScoreItem:
    messages = [types.Message(role=message.role, content=message.content) for message in prompt.messages]
    return reward_pb2.ScoreItem(
        prompt=types.Prompt(conversation=types.Conversation(messages=messages)),
        response=types.Response(text=rollout.text),
    )


def read_score(score: Any) -> Score:
    if score.status != reward_pb2.SCORE_STATUS_OK:
        reason = SCORE_ERRORS.get(score.error_reason, "other")
        return Score(None, None, score.error or "the reward service gave no reason", reason)
    return Score(score.normalized, score.raw, truncated=score.truncated)
