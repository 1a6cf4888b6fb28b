"""One answer and whether it was good: prompt, completion and a label that is true or false."""

from typing import Any

from services.data.formats.conversation import as_prompt
from services.data.formats.format import BadValue, Fields, Format
from services.data.formats.pairs import continued
from services.data.records import Record, RecordType, UnpairedLabel

LABELS = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}  # True == 1, False == 0


def parse(fields: Fields) -> list[Record]:
    prompt, response = continued(as_prompt("prompt", fields["prompt"]), "response", fields["response"])
    return [UnpairedLabel(prompt, response, as_label(fields["label"]))]


def as_label(value: Any) -> bool:
    key = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(key, str | bool | int | float) or key not in LABELS:
        raise BadValue("label", value, "true or false")
    return LABELS[key]


FORMAT = Format(
    name="unpaired prompt-completion-label",
    record_type=RecordType.UNPAIRED_LABEL,
    columns={"prompt": ("prompt",), "response": ("completion", "response"), "label": ("label",)},
    parse=parse,
)
