"""Prompt, chosen and rejected, each a string or messages; the prompt may be implicit: what both answers begin with.

The implicit prompt of messages is their common prefix. Of plain strings it is the common prefix in words, never in
characters, which would cut words apart. As the answers of a pair may begin alike, that is a guess: a prompt column is
better.
"""

import re
from itertools import takewhile
from typing import Any

from services.data.formats.conversation import as_answer, as_messages, as_prompt, as_text, not_blank, split_answer
from services.data.formats.format import BadValue, Fields, Format
from services.data.records import Comparison, Message, Prompt, Record, RecordType

WEIGHTS = {"margin": ("margin",), "weight": ("weight",)}
DIFFERENT = "an answer other than the chosen one"
SAME_PROMPT = "the same conversation as chosen, up to the last message"


def parse_explicit(fields: Fields) -> list[Record]:
    if is_whole_conversation(fields["chosen"]):
        return parse_conversations(fields)
    prompt = as_prompt("prompt", fields["prompt"])
    chosen, rejected = (continued(prompt, name, fields[name]) for name in ("chosen", "rejected"))
    return [comparison(chosen, rejected, fields)]


def parse_implicit(fields: Fields) -> list[Record]:
    return parse_conversations(fields) if isinstance(fields["chosen"], list) else parse_strings(fields)


def is_whole_conversation(value: Any) -> bool:
    """Messages that open with the user (or the system) repeat the prompt column."""
    return isinstance(value, list) and bool(value) and as_messages("chosen", value)[0].role != "assistant"


def continued(prompt: Prompt, field: str, value: Any) -> tuple[Prompt, str]:
    if isinstance(value, list) and len(value) > 1:
        return split_answer(field, (*prompt, *as_messages(field, value)))
    return prompt, as_answer(field, value)


def parse_conversations(fields: Fields) -> list[Record]:
    chosen, rejected = (split_answer(name, as_messages(name, fields[name])) for name in ("chosen", "rejected"))
    return [comparison(chosen, rejected, fields)]


def parse_strings(fields: Fields) -> list[Record]:
    chosen, rejected = (not_blank(name, as_text(name, fields[name])) for name in ("chosen", "rejected"))
    if chosen == rejected:
        raise BadValue("rejected", rejected, DIFFERENT)
    words = [re.findall(r"\s*\S+", text) for text in (chosen, rejected)]
    # Each answer keeps at least its last word.
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(words[0][:-1], words[1][:-1])))
    opening = "".join(words[0][:shared])
    if not opening:
        raise BadValue("prompt", None, "a prompt column, or chosen and rejected that begin with the same prompt")
    prompt = (Message("user", opening),)
    answers = [as_answer(name, "".join(w[shared:]).lstrip()) for name, w in zip(("chosen", "rejected"), words)]
    return [comparison((prompt, answers[0]), (prompt, answers[1]), fields)]


def comparison(chosen: tuple[Prompt, str], rejected: tuple[Prompt, str], fields: Fields) -> Comparison:
    if chosen[0] != rejected[0]:
        raise BadValue("rejected", [message.content for message in rejected[0]], SAME_PROMPT)
    if chosen[1] == rejected[1]:
        raise BadValue("rejected", rejected[1], DIFFERENT)
    margin, weight = (as_number(name, fields.get(name)) for name in ("margin", "weight"))
    if weight is not None and weight <= 0:
        raise BadValue("weight", fields["weight"], "a number above 0; leave out what should not count")
    return Comparison(chosen[0], chosen[1], rejected[1], margin, weight)


def as_number(field: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadValue(field, value, "a number") from None
    if not -1e9 < number < 1e9:
        raise BadValue(field, value, "a finite number")
    return number


EXPLICIT = Format(
    name="prompt-chosen-rejected",
    record_type=RecordType.COMPARISON,
    columns={"prompt": ("prompt",), "chosen": ("chosen",), "rejected": ("rejected",)},
    optional=WEIGHTS,
    parse=parse_explicit,
)
IMPLICIT = Format(
    name="chosen-rejected, implicit prompt",
    record_type=RecordType.COMPARISON,
    columns={"chosen": ("chosen",), "rejected": ("rejected",)},
    optional=WEIGHTS,
    parse=parse_implicit,
)
