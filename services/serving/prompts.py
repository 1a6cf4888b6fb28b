"""Prompts in the forms their senders have them, as plain values."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.language_model.chat import Message, encode_prompt
from services.runtime.errors import InvalidInput, Problem
from services.serving.loaded import Loaded

Prompt = list[int] | tuple[Message, ...]  # ids as they are, or messages for the model's chat template


def read_prompt(prompt: Any) -> Prompt:
    """From the contract's `Prompt`; a text is one user message, an unset form is an empty tuple."""
    match prompt.WhichOneof("form"):
        case "token_ids":
            return list(prompt.token_ids.ids)
        case "text":
            return (Message("user", prompt.text),)
        case _:
            return tuple(Message(message.role, message.content) for message in prompt.conversation.messages)


def prompt_ids(loaded: Loaded, prompt: Prompt, field: str) -> list[int]:
    """Raises InvalidInput naming `field` for an empty prompt, an id outside the vocabulary or roles out of order."""
    if not prompt:
        raise InvalidInput(Problem(field, "empty", "token ids, a text or at least one message"))
    if isinstance(prompt, tuple):
        try:
            return encode_prompt(loaded.tokenizer, prompt)
        except InvalidInput as error:
            raise InvalidInput(*(replace(p, field=f"{field}.{p.field}") for p in error.problems)) from error
    check_ids(loaded, prompt, field)
    return prompt


def check_ids(loaded: Loaded, ids: Sequence[int], field: str) -> None:
    if ids and max(ids) >= loaded.vocabulary:
        raise InvalidInput(Problem(field, f"token id {max(ids)}", f"ids below {loaded.vocabulary}"))
