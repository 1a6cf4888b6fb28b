"""Rows of imported files: items, and what was said of them. Positions of an imported answer are places in its item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.data.formats.conversation import as_answer, as_prompt, as_text
from services.data.formats.format import BadValue
from services.data.formats.label_studio import sides
from services.feedback.answers import Answer, Choice, Preference, Skip
from services.feedback.items import PAIR, Item

Row = Mapping[str, Any]
IMPORTED = "imported"  # the rater of judgements that name none


@dataclass(frozen=True)
class Said:
    rater: str
    answer: Answer
    note: str = ""
    milliseconds: int = 0


@dataclass(frozen=True)
class ImportedRow:
    item: Item
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True)
class RowFormat:
    name: str
    columns: tuple[str, ...]  # by which it is recognised
    parse: Callable[[Row], ImportedRow]  # raises BadValue


def plain(row: Row) -> ImportedRow:
    """As DownloadExport writes judgements: prompt, responses, and where there is one a rater with a choice."""
    responses = _texts("responses", row.get("responses"))
    item = Item(
        as_prompt("prompt", row.get("prompt")),
        responses,
        sources=_texts("sources", row.get("sources") or []),
        domain=as_text("domain", row.get("domain") or ""),
        gold=row.get("gold"),
        propensity=float(row.get("propensity") or 1.0),
    )
    if not row.get("choice") or row.get("undone") or row.get("repeat"):
        return ImportedRow(item)
    if row["choice"] not in list(Choice) or len(responses) != PAIR:
        raise BadValue("choice", row["choice"], f"one of {', '.join(Choice)}, of two responses")
    choice = Choice(row["choice"])
    if choice.position is not None and list(row.get("order") or (0, 1)) == [1, 0]:
        choice = {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST}[choice]
    answer = Preference(choice, _strength("strength", row.get("strength") or 0))
    said = Said(
        str(row.get("rater") or IMPORTED), answer, str(row.get("note") or ""), int(row.get("milliseconds") or 0)
    )
    return ImportedRow(item, [said])


def helpsteer3(row: Row) -> ImportedRow:
    """Every rater where the row has them, else the overall preference; -3 to -1 is response 1."""
    responses = tuple(as_answer(name, row.get(name)) for name in ("response1", "response2"))
    item = Item(as_prompt("context", row.get("context")), responses, domain=str(row.get("domain") or ""))
    scores = [(f"{IMPORTED}-{n}", one.get("score")) for n, one in enumerate(row.get("individual_preference") or [], 1)]
    overall = [(IMPORTED, row.get("overall_preference"))]
    return ImportedRow(item, [Said(rater, _scored(score)) for rater, score in scores or overall if score is not None])


def label_studio(row: Row) -> ImportedRow:
    """The pairwise result of each annotation; a cancelled one is a skip, one without a result a tie."""
    data, annotations = row["data"], row.get("annotations") or []
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        raise BadValue("annotations", annotations, "a Label Studio task with data and a list of annotations")
    results = [
        (one, next((r for r in one.get("result") or [] if r.get("type") == "pairwise"), None)) for one in annotations
    ]
    names = next((str(result.get("to_name")) for _, result in results if result), None)
    named = names or ",".join(name for name in data if name.startswith(("answer", "response")))
    prompt = next(
        (data[name] for name in ("prompt", "question", "instruction", "text", "messages") if name in data), None
    )
    item = Item(as_prompt("data.prompt", prompt), sides({"data": data}, named))
    return ImportedRow(item, [_annotated(annotation, result) for annotation, result in results])


FORMATS = (
    RowFormat("feedback rows", ("prompt", "responses"), plain),
    RowFormat("HelpSteer3 preference", ("context", "response1", "response2"), helpsteer3),
    RowFormat("Label Studio pairwise", ("data", "annotations"), label_studio),
)


def _annotated(annotation: Row, result: Row | None) -> Said:
    by = annotation.get("completed_by")
    name = (by.get("email") or by.get("id")) if isinstance(by, Mapping) else by
    milliseconds = int(1000 * float(annotation.get("lead_time") or 0))
    if annotation.get("was_cancelled"):
        return Said(str(name or IMPORTED), Skip("cancelled in Label Studio"), milliseconds=milliseconds)
    selected = ((result or {}).get("value") or {}).get("selected")
    choices = {"left": Choice.FIRST, "right": Choice.SECOND, None: Choice.TIE}
    if selected not in choices:
        raise BadValue("annotations.result.value.selected", selected, "left or right")
    return Said(str(name or IMPORTED), Preference(choices[selected]), milliseconds=milliseconds)


def _scored(score: Any) -> Preference:
    if type(score) not in (int, float) or not -3 <= score <= 3:
        raise BadValue("overall_preference", score, "a number from -3 to 3")
    choice = Choice.TIE if score == 0 else Choice.FIRST if score < 0 else Choice.SECOND
    return Preference(choice, round(abs(score)))


def _texts(field: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise BadValue(field, values, "a list of texts")
    return tuple(as_text(f"{field}[{place}]", value) for place, value in enumerate(values))


def _strength(field: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 3:
        raise BadValue(field, value, "0 to 3")
    return value
