"""Prompts alone, as text or as messages."""

from services.data.formats.conversation import as_prompt
from services.data.formats.format import Fields, Format
from services.data.records import PromptRecord, Record, RecordType


def parse(fields: Fields) -> list[Record]:
    return [PromptRecord(as_prompt("prompt", fields["prompt"]))]


FORMAT = Format(
    name="prompts",
    record_type=RecordType.PROMPT,
    columns={"prompt": ("prompt", "question", "query", "instruction", "text")},
    parse=parse,
)
