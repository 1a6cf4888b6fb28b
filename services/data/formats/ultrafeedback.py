"""UltraFeedback-binarized: chosen and rejected are whole message lists, each with a score; equal scores are a tie."""

from services.data.formats.format import Fields, Format
from services.data.formats.pairs import WEIGHTS, as_number, parse_conversations
from services.data.records import Record, RecordType


def looks_right(fields: Fields) -> bool:
    return isinstance(fields["chosen"], list) and len(fields["chosen"]) > 1


def parse(fields: Fields) -> list[Record]:
    scores = [as_number(name, fields[name]) for name in ("score_chosen", "score_rejected")]
    if scores[0] is not None and scores[0] == scores[1]:
        return []
    return parse_conversations(fields)


FORMAT = Format(
    name="UltraFeedback-binarized",
    record_type=RecordType.COMPARISON,
    columns={
        "chosen": ("chosen",),
        "rejected": ("rejected",),
        "score_chosen": ("score_chosen",),
        "score_rejected": ("score_rejected",),
    },
    looks_right=looks_right,
    optional=WEIGHTS,
    parse=parse,
    left_out="ties",
)
