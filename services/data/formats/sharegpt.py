"""ShareGPT: a "conversations" column of {"from", "value"}; as comparisons, chosen and rejected are the next message."""

from services.data.formats.conversation import as_answer, as_messages, as_text, split_answer
from services.data.formats.format import Fields, Format
from services.data.formats.pairs import WEIGHTS, comparison
from services.data.records import Demonstration, Message, Prompt, Record, RecordType

SYSTEM = {"system": ("system",)}


def conversation(fields: Fields) -> Prompt:
    messages = as_messages("conversations", fields["conversations"])
    system = fields.get("system")
    return (Message("system", as_text("system", system)), *messages) if system else messages


def parse_demonstration(fields: Fields) -> list[Record]:
    return [Demonstration(*split_answer("conversations", conversation(fields)))]


def parse_comparison(fields: Fields) -> list[Record]:
    prompt = conversation(fields)
    chosen, rejected = ((prompt, as_answer(name, fields[name])) for name in ("chosen", "rejected"))
    return [comparison(chosen, rejected, fields)]


DEMONSTRATIONS = Format(
    name="ShareGPT",
    record_type=RecordType.DEMONSTRATION,
    columns={"conversations": ("conversations",)},
    optional=SYSTEM,
    parse=parse_demonstration,
)
COMPARISONS = Format(
    name="ShareGPT preference",
    record_type=RecordType.COMPARISON,
    columns={"conversations": ("conversations",), "chosen": ("chosen",), "rejected": ("rejected",)},
    optional=SYSTEM | WEIGHTS,
    parse=parse_comparison,
)
