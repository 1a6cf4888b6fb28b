"""HelpSteer3 preference: context, two responses, preference from -3 (response 1) to 3 (response 2); 0 is a tie."""

from services.data.formats.conversation import as_answer, as_prompt
from services.data.formats.format import BadValue, Fields, Format
from services.data.formats.pairs import as_number, comparison
from services.data.records import Record, RecordType


def parse(fields: Fields) -> list[Record]:
    preference = as_number("overall_preference", fields["overall_preference"])
    if preference is None or not -3 <= preference <= 3:
        raise BadValue("overall_preference", fields["overall_preference"], "a number from -3 to 3")
    prompt = as_prompt("context", fields["context"])
    first, second = (as_answer(name, fields[name]) for name in ("response1", "response2"))
    if preference == 0:
        return []
    chosen, rejected = (second, first) if preference > 0 else (first, second)
    return [comparison((prompt, chosen), (prompt, rejected), {"margin": abs(preference)})]


FORMAT = Format(
    name="HelpSteer3 preference",
    record_type=RecordType.COMPARISON,
    columns={name: (name,) for name in ("context", "response1", "response2", "overall_preference")},
    parse=parse,
    left_out="ties",
)
