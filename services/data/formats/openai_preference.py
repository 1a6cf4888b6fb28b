"""OpenAI's preference format: {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}."""

from services.data.formats.conversation import as_answer, as_prompt
from services.data.formats.format import Fields, Format
from services.data.formats.pairs import WEIGHTS, comparison
from services.data.records import Record, RecordType


def parse(fields: Fields) -> list[Record]:
    prompt = as_prompt("messages", fields["messages"])
    chosen, rejected = (
        (prompt, as_answer(name, fields[name])) for name in ("preferred_output", "non_preferred_output")
    )
    return [comparison(chosen, rejected, fields)]


FORMAT = Format(
    name="OpenAI preference",
    record_type=RecordType.COMPARISON,
    columns={
        "messages": ("input.messages",),
        "preferred_output": ("preferred_output",),
        "non_preferred_output": ("non_preferred_output",),
    },
    optional=WEIGHTS,
    parse=parse,
)
