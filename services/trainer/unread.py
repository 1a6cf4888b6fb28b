"""What a spec sets and its stage would not read. Passed over in silence, it would look as if it had been obeyed."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from services.runtime.errors import Problem

# Of the fields that several stages share, what tells a stage the same in other words.
INSTEAD = {
    "batch_size": "prompts_per_step, samples_per_prompt and minibatches",
    "epochs": "steps and inner_epochs",
    "max_length": "max_new_tokens, within the policy's context",
}


def unread_fields(path: str, message: Message, recipe: Any) -> Iterator[Problem]:
    """Those set in the message of a stage that `recipe`, its dataclass with all defaults, does not have."""
    known = {field.name for field in dataclasses.fields(recipe)}
    for descriptor, value in message.ListFields():
        within = f"{path}.{descriptor.name}"
        if descriptor.name not in known:
            yield Problem(within, str(value), f"nothing: this stage is told by {INSTEAD[descriptor.name]}")
        elif isinstance(value, Message):
            yield from unread_fields(within, value, getattr(recipe, descriptor.name))
