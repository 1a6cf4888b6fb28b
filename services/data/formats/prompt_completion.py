"""Prompt and completion, each a string or messages."""

from services.data.formats.conversation import as_prompt
from services.data.formats.format import Fields, Format
from services.data.formats.pairs import continued
from services.data.records import Demonstration, Record, RecordType


def parse(fields: Fields) -> list[Record]:
    return [Demonstration(*continued(as_prompt("prompt", fields["prompt"]), "response", fields["response"]))]


FORMAT = Format(
    name="prompt-completion",
    record_type=RecordType.DEMONSTRATION,
    columns={"prompt": ("prompt",), "response": ("completion", "response")},
    parse=parse,
)
