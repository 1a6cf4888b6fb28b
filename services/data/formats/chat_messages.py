"""A "messages" column, as OpenAI's fine-tuning files have: the last assistant message is the answer."""

from services.data.formats.conversation import as_messages, split_answer
from services.data.formats.format import Fields, Format
from services.data.records import Demonstration, Record, RecordType


def parse(fields: Fields) -> list[Record]:
    return [Demonstration(*split_answer("messages", as_messages("messages", fields["messages"])))]


FORMAT = Format(
    name="chat messages",
    record_type=RecordType.DEMONSTRATION,
    columns={"messages": ("messages",)},
    parse=parse,
)
