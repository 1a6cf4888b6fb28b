"""Values that people write conversations in, read into messages.

A conversation is a string (one user message), a list of {"role", "content"} (OpenAI) or a list of {"from", "value"}
(ShareGPT); a content may be a list of text parts.
"""

import re
from typing import Any

from services.data.formats.format import BadValue
from services.data.formats.transcript import has_markers, split_turns
from services.data.records import ROLES, Message, Prompt

SURROGATE = re.compile("[\ud800-\udfff]")  # half of a pair: JSON can spell it, UTF-8 cannot
ROLE_NAMES = {role: role for role in ROLES} | {"human": "user", "gpt": "assistant", "developer": "system"}


def as_text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue(field, value, "text")
    if SURROGATE.search(value):
        raise BadValue(field, ascii(value), "valid Unicode text, without half of a surrogate pair")
    return value


def as_answer(field: str, value: Any) -> str:
    """Text, or one assistant message."""
    if isinstance(value, list | dict):
        messages = as_messages(field, value)
        if len(messages) != 1 or messages[0].role != "assistant":
            raise BadValue(field, value, "text or exactly one assistant message")
        value = messages[0].content
    return not_blank(field, as_text(field, value))


def not_blank(field: str, text: str) -> str:
    if not text.strip():
        raise BadValue(field, text, "a text that is not empty")
    return text


def as_prompt(field: str, value: Any) -> Prompt:
    """Text becomes one user message, a "Human: … Assistant:" transcript its turns; messages are taken as they are."""
    if not isinstance(value, str | list | dict):
        raise BadValue(field, value, "text or a list of messages")
    messages = from_text(as_text(field, value)) if isinstance(value, str) else as_messages(field, value)
    not_blank(field, "".join(message.content for message in messages))
    return messages


def from_text(text: str) -> Prompt:
    return split_turns(text) if has_markers(text) else (Message("user", text),)


def as_messages(field: str, value: Any) -> Prompt:
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        raise BadValue(field, value, "a list of messages")
    return tuple(as_message(f"{field}[{index}]", message) for index, message in enumerate(value))


def as_message(field: str, value: Any) -> Message:
    if not isinstance(value, dict):
        raise BadValue(field, value, "a message: an object with role and content")
    # A Parquet column of messages gives every message every key, so presence says nothing: look for a value.
    role, content = (
        (value.get("role"), value.get("content")) if value.get("role") else (value.get("from"), value.get("value"))
    )
    if not isinstance(role, str) or role not in ROLE_NAMES:
        raise BadValue(f"{field}.role", role, f"one of {', '.join(ROLE_NAMES)}")
    return Message(ROLE_NAMES[role], as_text(f"{field}.content", joined_parts(content)))


def joined_parts(content: Any) -> Any:
    """[{"type": "text", "text": …}, …] as one text; anything else as it is."""
    if isinstance(content, list) and content and all(isinstance(p, dict) and p.get("type") == "text" for p in content):
        return "".join(str(part.get("text")) for part in content)
    return content


def split_answer(field: str, messages: Prompt) -> tuple[Prompt, str]:
    """The conversation up to its last assistant message, and that message's text."""
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise BadValue(
            field, [message.role for message in messages], "a conversation that ends with an assistant message"
        )
    return messages[:-1], not_blank(field, messages[-1].content)
