"""Rows of imported files: items, and what was said of them. Positions of an imported answer are places in its item."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.data.formats.conversation import as_answer, as_prompt, as_text
from services.data.formats.format import BadValue
from services.data.formats.label_studio import objects, sides
from services.feedback.answers import Answer, Choice, Preference, Skip
from services.feedback.items import MAX_LABEL, PAIR, Item
from services.feedback.judgements import MAX_MILLISECONDS, MAX_NOTE, MAX_REASON

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
    """As DownloadExport writes judgements: prompt, responses, and where there is one a rater with a choice or skip."""
    item = Item(
        as_prompt("prompt", row.get("prompt")),
        _texts("responses", row.get("responses")),
        sources=_texts("sources", row.get("sources") or []),
        domain=_text("domain", row.get("domain")),
        gold=_gold(row.get("gold")),
        propensity=_propensity(row.get("propensity")),
    )
    answer = None if row.get("undone") or row.get("repeat") else _answer(row, item)
    if answer is None:
        return ImportedRow(item)
    rater = row.get("rater") or IMPORTED
    milliseconds = _number("milliseconds", row.get("milliseconds"), MAX_MILLISECONDS)
    note = _text("note", row.get("note"), MAX_NOTE)
    return ImportedRow(item, [Said(str(rater), answer, note, int(milliseconds))])


def helpsteer3(row: Row) -> ImportedRow:
    """Every rater where the row has them, else the overall preference; -3 to -1 is response 1."""
    responses = tuple(as_answer(name, row.get(name)) for name in ("response1", "response2"))
    item = Item(as_prompt("context", row.get("context")), responses, domain=_text("domain", row.get("domain")))
    raters = objects("individual_preference", row.get("individual_preference"))
    scores = [(f"{IMPORTED}-{n}", one.get("score")) for n, one in enumerate(raters, 1)]
    overall = [(IMPORTED, row.get("overall_preference"))]
    return ImportedRow(item, [Said(rater, _scored(score)) for rater, score in scores or overall if score is not None])


def label_studio(row: Row) -> ImportedRow:
    """The pairwise result of each annotation; a cancelled one is a skip, one without a result a tie."""
    data, annotations = row["data"], objects("annotations", row.get("annotations"))
    if not isinstance(data, Mapping):
        raise BadValue("data", data, "a Label Studio task: an object with data and a list of annotations")
    results = [(one, _pairwise(one)) for one in annotations]
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


def _answer(row: Row, item: Item) -> Answer | None:
    """None where the row has none, or one that is not about a pair: a ranking, a demonstration, an undoing."""
    if row.get("skip_reason"):
        return Skip(_text("skip_reason", row["skip_reason"], MAX_REASON))
    if not row.get("choice"):
        return None
    if row["choice"] not in list(Choice) or len(item.responses) != PAIR:
        raise BadValue("choice", row["choice"], f"one of {', '.join(Choice)}, of two responses")
    choice, order = Choice(row["choice"]), row.get("order") or [0, 1]
    if order not in ([0, 1], [1, 0]):
        raise BadValue("order", order, "[0, 1] or [1, 0], the response that stood first and the other")
    if order == [1, 0]:
        choice = {Choice.FIRST: Choice.SECOND, Choice.SECOND: Choice.FIRST}.get(choice, choice)
    return Preference(choice, _strength("strength", row.get("strength") or 0))


def _pairwise(annotation: Row) -> Row | None:
    results = objects("annotations.result", annotation.get("result"))
    return next((result for result in results if result.get("type") == "pairwise"), None)


def _annotated(annotation: Row, result: Row | None) -> Said:
    by = annotation.get("completed_by")
    name = str((by.get("email") or by.get("id") if isinstance(by, Mapping) else by) or IMPORTED)
    seconds = _number("annotations.lead_time", annotation.get("lead_time"), float("inf"))
    milliseconds = int(min(1000 * seconds, MAX_MILLISECONDS))  # who left the page open is not refused for it
    if annotation.get("was_cancelled"):
        return Said(name, Skip("cancelled in Label Studio"), milliseconds=milliseconds)
    value = (result or {}).get("value") or {}
    selected = value.get("selected") if isinstance(value, Mapping) else value
    choices = {"left": Choice.FIRST, "right": Choice.SECOND}
    if result and not (isinstance(selected, str) and selected in choices):
        raise BadValue("annotations.result.value.selected", selected, "left or right")
    choice = choices[str(selected)] if result else Choice.TIE
    return Said(name, Preference(choice), milliseconds=milliseconds)


def _scored(score: Any) -> Preference:
    if type(score) not in (int, float) or not -3 <= score <= 3:
        raise BadValue("overall_preference", score, "a number from -3 to 3")
    choice = Choice.TIE if score == 0 else Choice.FIRST if score < 0 else Choice.SECOND
    return Preference(choice, round(abs(score)))


def _text(field: str, value: Any, most: int = MAX_LABEL) -> str:
    text = as_text(field, value or "")
    if len(text) > most:
        raise BadValue(field, text, f"at most {most} characters")
    return text


def _texts(field: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise BadValue(field, values, "a list of texts")
    return tuple(as_text(f"{field}[{place}]", value) for place, value in enumerate(values))


def _number(field: str, value: Any, most: float) -> float:
    """0 where there is none."""
    if value is None:
        return 0.0
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise BadValue(field, value, f"a number from 0 to {most:g}")
    return value


def _gold(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value not in (0, 1)):
        raise BadValue("gold", value, "0 or 1, the response that is known to be better")
    return value


def _propensity(value: Any) -> float:
    propensity = _number("propensity", value, 1.0)
    if value is not None and not propensity:
        raise BadValue("propensity", value, "a probability above 0")
    return propensity or 1.0


def _strength(field: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 3:
        raise BadValue(field, value, "0 to 3")
    return value
