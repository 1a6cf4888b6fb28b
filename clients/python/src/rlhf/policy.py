"""The policy service: responses to prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

from rlhf.calls import Async, Once, Stream, Sync, Unary, method, streaming
from rlhf.inputs import Prompt, prompt_message, prompt_messages
from rlhf.v1 import policy_pb2, types_pb2
from rlhf.versions import ModelName, ModelVersion, version_from

FINISH_REASONS = {types_pb2.FINISH_REASON_STOP: "stop", types_pb2.FINISH_REASON_LENGTH: "length"}


@dataclass(frozen=True)
class Rollout:
    """One sampled response. `log_probs` (nats) is as long as `response_ids`."""

    text: str
    prompt_index: int
    sample_index: int
    prompt_ids: list[int]
    response_ids: list[int]
    log_probs: list[float]
    finish_reason: str
    model_version: ModelVersion


@dataclass(frozen=True)
class Piece:
    """The text since the last piece; the last one brings the whole rollout."""

    text: str
    rollout: Rollout | None


def rollout_from(message: types_pb2.Rollout) -> Rollout:
    return Rollout(
        text=message.text,
        prompt_index=message.prompt_index,
        sample_index=message.sample_index,
        prompt_ids=list(message.prompt_ids),
        response_ids=list(message.response_ids),
        log_probs=list(message.log_probs),
        finish_reason=FINISH_REASONS.get(message.finish_reason, "unknown"),
        model_version=version_from(message.model_version),
    )


def _rollouts(response: policy_pb2.GenerateResponse) -> list[Rollout]:
    return [rollout_from(rollout) for rollout in response.rollouts]


def _piece(response: policy_pb2.GenerateStreamResponse) -> Piece:
    return Piece(response.text, rollout_from(response.rollout) if response.HasField("rollout") else None)


class PolicyCalls:
    @method
    def generate(
        self,
        prompts: Prompt | Sequence[Prompt],
        *,
        model: ModelName = "policy/default",
        samples_per_prompt: int = 1,
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        seed: int = 0,
        stop: Sequence[str] = (),
        deterministic: bool = False,
        timeout: float = 600.0,
    ) -> Unary[list[Rollout]]:
        """Samples responses, ordered by prompt, then by sample. A temperature of 0 is greedy.

        The same seed gives the same responses; bit for bit only with `deterministic`, on the same machine.
        """
        request = policy_pb2.GenerateRequest(
            model=str(model),
            prompts=prompt_messages(prompts),
            samples_per_prompt=samples_per_prompt,
            sampling=_sampling(max_new_tokens, temperature, top_p, top_k, seed, stop),
            deterministic=deterministic,
        )
        return Unary("Generate", request, _rollouts, timeout)

    @streaming
    def stream(
        self,
        prompt: Prompt,
        *,
        model: ModelName = "policy/default",
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        seed: int = 0,
        stop: Sequence[str] = (),
        timeout: float = 600.0,
    ) -> Stream[Piece]:
        """One response, piece by piece as it is made."""
        request = policy_pb2.GenerateStreamRequest(
            model=str(model),
            prompt=prompt_message(prompt),
            sampling=_sampling(max_new_tokens, temperature, top_p, top_k, seed, stop),
        )
        return Stream("GenerateStream", Once(request, _piece), timeout)


def _sampling(
    max_new_tokens: int, temperature: float, top_p: float, top_k: int, seed: int, stop: Sequence[str]
) -> types_pb2.Sampling:
    return types_pb2.Sampling(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        stop=[stop] if isinstance(stop, str) else stop,
    )


class Policy(PolicyCalls, Sync):
    """`client.policy`"""


class AsyncPolicy(PolicyCalls, Async):
    """`client.policy` of an AsyncClient."""
