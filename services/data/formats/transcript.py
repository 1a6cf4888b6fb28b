r"""Transcripts in one string: "\n\nHuman: … \n\nAssistant: …", as the hh-rlhf dataset is published."""

import re

from services.data.formats.format import BadValue
from services.data.records import Message, Prompt

ASSISTANT = "\n\nAssistant:"
MARKER = re.compile(r"\n\n(Human|Assistant):")
ROLE = {"Human": "user", "Assistant": "assistant"}


def has_markers(text: str) -> bool:
    return text.startswith("\n\nHuman:") and ASSISTANT in text


def split_transcript(field: str, text: str) -> tuple[Prompt, str]:
    """The turns before the last Assistant marker, and what follows it."""
    before, marker, answer = text.rpartition(ASSISTANT)
    if not marker or MARKER.search(answer):
        raise BadValue(field, text, r"a transcript that ends with an Assistant turn: '\n\nHuman: … \n\nAssistant: …'")
    prompt = split_turns(before)
    if not prompt:
        raise BadValue(field, text, r"a turn before the last '\n\nAssistant:'")
    return prompt, answer.strip()


def split_turns(text: str) -> Prompt:
    r"""Turns of a transcript; an open "\n\nAssistant:" at the end, where the answer is to come, is no turn."""
    pieces = MARKER.split(text.removesuffix(" ").removesuffix(ASSISTANT))
    return tuple(Message(ROLE[name], content.strip()) for name, content in zip(pieces[1::2], pieces[2::2]))
