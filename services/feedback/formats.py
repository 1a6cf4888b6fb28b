"""Rows of exported files, in the formats that people have tools for, and the columns of their Parquet form."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from services.data.records import Prompt
from services.feedback.answers import Demonstration, Preference, Ranking, Skip, Undo
from services.feedback.comparisons import Compared
from services.feedback.items import PAIR
from services.feedback.judgements import REPEAT, Judgement
from services.feedback.snapshot import Snapshot

Row = dict[str, Any]

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
TEXTS, PLACES = pa.list_(pa.string()), pa.list_(pa.int32())
WEIGHTS = [("weight", pa.float64()), ("margin", pa.float64())]


class PreferenceFormat(StrEnum):
    TRL = "trl"
    OPENAI = "openai"
    HELPSTEER3 = "helpsteer3"
    LABEL_STUDIO = "label_studio"


@dataclass(frozen=True)
class Table:
    columns: pa.Schema
    rows: Iterable[Row]


def comparisons(kind: PreferenceFormat, found: Iterable[Compared], snapshot: Snapshot) -> Table:
    match kind:
        case PreferenceFormat.TRL:
            names = ("prompt", "chosen", "rejected")
            return Table(pa.schema([*((name, MESSAGES) for name in names), *WEIGHTS]), map(_trl, found))
        case PreferenceFormat.OPENAI:
            columns = [("input", pa.struct([("messages", MESSAGES)]))]
            columns += [("preferred_output", MESSAGES), ("non_preferred_output", MESSAGES)]
            return Table(pa.schema([*columns, *WEIGHTS]), map(_openai, found))
        case PreferenceFormat.HELPSTEER3:
            columns = [("domain", pa.string()), ("context", MESSAGES)]
            columns += [("response1", pa.string()), ("response2", pa.string()), ("overall_preference", pa.int32())]
            return Table(pa.schema([*columns, *WEIGHTS]), map(_helpsteer3, found))
    return Table(_LABEL_STUDIO, _label_studio(snapshot))


def demonstrations(snapshot: Snapshot) -> Table:
    rows = (
        {"prompt": _messages(snapshot.items[j.item].prompt), "completion": _answer(j.answer.text)}
        for j in snapshot.answers()
        if isinstance(j.answer, Demonstration)
    )
    return Table(pa.schema([("prompt", MESSAGES), ("completion", MESSAGES)]), rows)


def judgements(snapshot: Snapshot) -> Table:
    """All that is known: gold, repeats, skips, what was undone and the undoing as well."""
    return Table(_JUDGEMENTS, (_judgement(snapshot, judgement) for judgement in snapshot.judgements))


def _messages(prompt: Prompt) -> list[Row]:
    return [{"role": message.role, "content": message.content} for message in prompt]


def _answer(text: str) -> list[Row]:
    return [{"role": "assistant", "content": text}]


def _weights(one: Compared) -> Row:
    return {"weight": one.weight, "margin": one.margin}


def _trl(one: Compared) -> Row:
    record = one.record
    sides = {"chosen": _answer(record.chosen), "rejected": _answer(record.rejected)}
    return {"prompt": _messages(record.prompt), **sides, **_weights(one)}


def _openai(one: Compared) -> Row:
    record = one.record
    return {
        "input": {"messages": _messages(record.prompt)},
        "preferred_output": _answer(record.chosen),
        "non_preferred_output": _answer(record.rejected),
        **_weights(one),
    }


def _helpsteer3(one: Compared) -> Row:
    """-3 to -1: response1, 1 to 3: response2. A preference whose strength nobody was asked for is a 1."""
    first, second = sorted((one.chosen, one.rejected))
    strength = max(1, min(3, round(one.margin or 0)))
    return {
        "domain": one.item.domain,
        "context": _messages(one.item.prompt),
        "response1": one.item.responses[first],
        "response2": one.item.responses[second],
        "overall_preference": -strength if one.chosen == first else strength,
        **_weights(one),
    }


_LABEL_STUDIO = pa.schema(
    [
        ("id", pa.int32()),
        ("data", pa.struct([("prompt", MESSAGES), ("answer1", pa.string()), ("answer2", pa.string())])),
        (
            "annotations",
            pa.list_(
                pa.struct(
                    [
                        ("id", pa.string()),
                        ("completed_by", pa.struct([("email", pa.string())])),
                        ("was_cancelled", pa.bool_()),
                        ("lead_time", pa.float64()),
                        (
                            "result",
                            pa.list_(
                                pa.struct(
                                    [
                                        ("type", pa.string()),
                                        ("from_name", pa.string()),
                                        ("to_name", pa.string()),
                                        ("value", pa.struct([("selected", pa.string())])),
                                    ]
                                )
                            ),
                        ),
                    ]
                )
            ),
        ),
    ]
)


def _label_studio(snapshot: Snapshot) -> Iterator[Row]:
    """A task per item with two responses; a tie is an annotation without a result."""
    by_item: dict[str, list[Row]] = {}
    for judgement in snapshot.answers():
        if isinstance(judgement.answer, Preference):
            by_item.setdefault(judgement.item, []).append(_annotation(judgement))
    for number, (name, annotations) in enumerate(by_item.items(), 1):
        item = snapshot.items[name]
        assert len(item.responses) == PAIR, "a preference is one of two"
        data = {"prompt": _messages(item.prompt), "answer1": item.responses[0], "answer2": item.responses[1]}
        yield {"id": number, "data": data, "annotations": annotations}


def _annotation(judgement: Judgement) -> Row:
    assert isinstance(judgement.answer, Preference), "only pairs are exported so"
    position, result = judgement.answer.choice.position, []
    if position is not None:
        selected = "left" if judgement.order[position] == 0 else "right"
        names = {"type": "pairwise", "from_name": "preference", "to_name": "answer1,answer2"}
        result = [{**names, "value": {"selected": selected}}]
    return {
        "id": judgement.id,
        "completed_by": {"email": judgement.rater},
        "was_cancelled": False,
        "lead_time": judgement.milliseconds / 1000,
        "result": result,
    }


_JUDGEMENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "rater", "item", "domain", "kind", "choice")),
        ("strength", pa.int32()),
        ("ranking", pa.list_(PLACES)),
        *((name, pa.string()) for name in ("demonstration", "skip_reason", "undoes", "note")),
        ("prompt", MESSAGES),
        ("responses", TEXTS),
        ("sources", TEXTS),
        ("order", PLACES),
        ("preferred", pa.int32()),
        ("gold", pa.int32()),
        ("repeat", pa.bool_()),
        ("undone", pa.bool_()),
        ("propensity", pa.float64()),
        ("milliseconds", pa.int64()),
        ("guidelines_version", pa.int32()),
        ("at", pa.float64()),
    ]
)


def _judgement(snapshot: Snapshot, judgement: Judgement) -> Row:
    """`choice` and `ranking` are in positions as shown; `preferred` and `gold` are places in `responses`."""
    item, answer = snapshot.items[judgement.item], judgement.answer
    position = answer.choice.position if isinstance(answer, Preference) else None
    return {
        "id": judgement.id,
        "rater": judgement.rater,
        "item": judgement.item,
        "domain": item.domain,
        "kind": type(answer).__name__.lower(),
        "choice": str(answer.choice) if isinstance(answer, Preference) else None,
        "strength": answer.strength if isinstance(answer, Preference) else None,
        "ranking": [list(tier) for tier in answer.tiers] if isinstance(answer, Ranking) else None,
        "demonstration": answer.text if isinstance(answer, Demonstration) else None,
        "skip_reason": answer.reason if isinstance(answer, Skip) else None,
        "undoes": answer.judgement if isinstance(answer, Undo) else None,
        "note": judgement.note,
        "prompt": _messages(item.prompt),
        "responses": list(item.responses),
        "sources": list(item.sources),
        "order": list(judgement.order),
        "preferred": None if position is None else judgement.order[position],
        "gold": item.gold,
        "repeat": judgement.occasion == REPEAT,
        "undone": judgement.id in snapshot.undone,
        "propensity": item.propensity,
        "milliseconds": judgement.milliseconds,
        "guidelines_version": judgement.guidelines_version,
        "at": judgement.at,
    }
