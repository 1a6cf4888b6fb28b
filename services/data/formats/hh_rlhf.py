"""hh-rlhf as published: chosen and rejected are whole transcripts, split at the last Assistant marker."""

from services.data.formats.conversation import as_text, not_blank
from services.data.formats.format import Fields, Format
from services.data.formats.pairs import WEIGHTS, comparison
from services.data.formats.transcript import has_markers, split_transcript
from services.data.records import Prompt, Record, RecordType


def looks_right(fields: Fields) -> bool:
    return all(isinstance(fields[name], str) and has_markers(fields[name]) for name in ("chosen", "rejected"))


def parse(fields: Fields) -> list[Record]:
    return [comparison(turns(fields, "chosen"), turns(fields, "rejected"), fields)]


def turns(fields: Fields, name: str) -> tuple[Prompt, str]:
    prompt, answer = split_transcript(name, as_text(name, fields[name]))
    return prompt, not_blank(name, answer)


FORMAT = Format(
    name="hh-rlhf",
    record_type=RecordType.COMPARISON,
    columns={"chosen": ("chosen",), "rejected": ("rejected",)},
    looks_right=looks_right,
    optional=WEIGHTS,
    parse=parse,
)
