"""The shapes that datasets come in, most specific first: the first one that fits a file is taken."""

from services.data.formats import (
    chat_messages,
    helpsteer3,
    hh_rlhf,
    label_studio,
    openai_preference,
    openrlhf,
    pairs,
    prompt_completion,
    prompts,
    sharegpt,
    ultrafeedback,
    unpaired,
)
from services.data.formats.format import Format

FORMATS: tuple[Format, ...] = (
    openai_preference.FORMAT,
    label_studio.FORMAT,
    helpsteer3.FORMAT,
    sharegpt.COMPARISONS,
    hh_rlhf.FORMAT,
    ultrafeedback.FORMAT,
    openrlhf.FORMAT,
    pairs.EXPLICIT,
    pairs.IMPLICIT,
    unpaired.FORMAT,
    prompt_completion.FORMAT,
    sharegpt.DEMONSTRATIONS,
    chat_messages.FORMAT,
    prompts.FORMAT,
)
