"""Prompts and responses in the form that people have them, as messages of the contracts."""

from collections.abc import Mapping, Sequence

from rlhf.errors import InvalidInputError, Problem
from rlhf.v1 import types_pb2

Prompt = str | Sequence[Mapping[str, str]] | Sequence[int]
"""Text, a conversation as [{"role": "user", "content": "…"}, …], or token ids."""

Response = str | Sequence[int]
"""Text, or token ids with the end-of-sequence token where there was one."""

ROLES = ("system", "user", "assistant")


def prompt_message(prompt: Prompt, field: str = "prompt") -> types_pb2.Prompt:
    if isinstance(prompt, str):
        return types_pb2.Prompt(text=prompt)
    if _all(prompt, Mapping):
        return types_pb2.Prompt(conversation={"messages": [_message(m, field) for m in prompt]})  # type: ignore
    return types_pb2.Prompt(token_ids={"ids": _ids(prompt, field)})


def response_message(response: Response, field: str = "response") -> types_pb2.Response:
    if isinstance(response, str):
        return types_pb2.Response(text=response)
    return types_pb2.Response(token_ids={"ids": _ids(response, field)})


def prompt_messages(prompts: Prompt | Sequence[Prompt]) -> list[types_pb2.Prompt]:
    """One prompt counts as a list of one."""
    one = isinstance(prompts, str) or _all(prompts, Mapping) or _all(prompts, int)
    several = [prompts] if one else prompts
    messages = [prompt_message(prompt, f"prompts[{i}]") for i, prompt in enumerate(several)]  # type: ignore
    if not messages:
        raise InvalidInputError(Problem("prompts", "got none, expected at least one"))
    return messages


def _message(message: Mapping[str, str], field: str) -> types_pb2.Message:
    if set(message) != {"role", "content"} or message["role"] not in ROLES:
        expected = f'expected {{"role": one of {", ".join(ROLES)}, "content": text}}'
        raise InvalidInputError(Problem(field, f"got the message {dict(message)!r}, {expected}"))
    return types_pb2.Message(role=message["role"], content=message["content"])


def _ids(ids: object, field: str) -> list[int]:
    if not _all(ids, int):
        given = f"{type(ids).__name__} {ids!r}"[:80]
        raise InvalidInputError(Problem(field, f"got {given}, expected text, a list of messages, or token ids"))
    return list(ids)  # type: ignore


def _all(items: object, kind: type) -> bool:
    return isinstance(items, Sequence) and len(items) > 0 and all(isinstance(item, kind) for item in items)
