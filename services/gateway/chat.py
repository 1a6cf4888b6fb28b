"""OpenAI's chat completions."""

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Literal

import rlhf
from pydantic import Field
from starlette.responses import Response

from services.gateway.bodies import Body
from services.gateway.conversations import Sampled
from services.gateway.events import EventStream
from services.runtime.errors import InvalidInput, Problem

MAX_CHOICES = 128


class StreamOptions(Body):
    include_usage: bool = False


class ResponseFormat(Body):
    type: Literal["text"]


class ChatCompletion(Sampled):
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    response_format: ResponseFormat = ResponseFormat(type="text")
    logprobs: Literal[False] = False


async def chat(body: ChatCompletion, client: rlhf.AsyncClient) -> dict | Response:
    if not body.stream:
        rollouts = await client.policy.generate([body.prompt], samples_per_prompt=body.n, **body.sampling)
        return completion(rollouts)
    if body.n != 1:
        raise InvalidInput(Problem("n", str(body.n), "1 where the answer is streamed"))
    return await EventStream.started(_chunks(body, client))


def completion(rollouts: Sequence[rlhf.Rollout]) -> dict[str, Any]:
    """`rollouts` answer one prompt; they become the choices, in their order."""
    return {
        **_head("chat.completion", rollouts[0].model_version),
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": rollout.text},
                "finish_reason": rollout.finish_reason,
                "logprobs": None,
            }
            for index, rollout in enumerate(rollouts)
        ],
        "usage": usage(rollouts),
    }


def usage(rollouts: Sequence[rlhf.Rollout]) -> dict[str, int]:
    prompt, made = len(rollouts[0].prompt_ids), sum(len(rollout.response_ids) for rollout in rollouts)
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


async def _chunks(body: ChatCompletion, client: rlhf.AsyncClient) -> AsyncIterator[dict]:
    """The version is known with the last piece alone; until then the chunks name what was asked for."""
    head = _head("chat.completion.chunk", None) | {"model": body.model}
    opening: dict[str, Any] = {"role": "assistant", "content": ""}
    async with aclosing(client.policy.stream(body.prompt, **body.sampling)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            yield head | {"choices": [_choice({**opening, "content": piece.text})]}
            opening = {}
            if rollout := piece.rollout:
                yield head | {"choices": [_choice({}, rollout.finish_reason)]}
                if body.stream_options.include_usage:
                    yield head | {"choices": [], "usage": usage([rollout])}


def _choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _head(kind: str, version: rlhf.ModelVersion | None) -> dict[str, Any]:
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time())}
    return head | ({"model": str(version), "system_fingerprint": version.digest[:16]} if version else {})
