"""One call from a file, as people have it, to records."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.data.detection import Detected, detect
from services.data.files import Row, read_rows
from services.data.formats.format import BadValue
from services.data.hub import SCHEME, read_hub
from services.data.records import Record, RecordType
from services.runtime.errors import InvalidInput, Problem

MAX_PROBLEMS = 20  # listed in one error


@dataclass(frozen=True)
class BadRow:
    where: str  # "file:line"
    field: str
    got: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}, {self.field}: got {self.got}, expected {self.expected}"


@dataclass
class ReadResult:
    records: list[Record]
    lines: list[int]  # where each record stood
    record_type: RecordType
    detected_format: str  # e.g. "hh-rlhf", "prompt-chosen-rejected (messages)"
    mapping: dict[str, str]  # field -> column of the file
    unused_columns: tuple[str, ...]
    bad: list[BadRow] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # rows, records, bad, and what was left out, e.g. ties


def read(
    source: str | Path,
    field_map: Mapping[str, str] | None = None,
    record_type: str | None = None,
    max_bad: int | None = 0,
    quarantine: Path | None = None,
) -> ReadResult:
    """Reads a file (.jsonl .json .csv, also .gz; .parquet) or hf://owner/name[:split] whole.

    `field_map` maps a field to the column it is read from, {"chosen": "answer_a"}. Up to `max_bad` rows (None: any
    number) may be bad; they are left out, listed in the result and, with `quarantine`, written there as JSONL.
    Raises InvalidInput naming file:line, field, what it held and what was expected.
    """
    name = str(source)
    rows = list(read_hub(name) if name.startswith(SCHEME) else read_rows(Path(name)))
    return as_records(name, rows, field_map, record_type, max_bad, quarantine)


def as_records(
    name: str,
    rows: Sequence[Row],
    field_map: Mapping[str, str] | None = None,
    record_type: str | None = None,
    max_bad: int | None = 0,
    quarantine: Path | None = None,
) -> ReadResult:
    """As `read`, of the rows of a file that errors call `name`."""
    good = [row.values for row in rows if isinstance(row.values, dict)]
    kind = checked_type(record_type)
    if not good:
        raise InvalidInput(*problems(bad_rows(name, rows)) or [Problem(name, "no rows", "at least one record")])
    detected = detect(name, good, field_map or {}, kind)
    result = parse(name, rows, detected)
    if quarantine is not None:
        write_quarantine(quarantine, name, rows, result.bad)
    refuse_bad(name, result, max_bad)
    return result


def checked_type(record_type: str | None) -> RecordType | None:
    if record_type is None:
        return None
    if record_type not in list(RecordType):
        raise InvalidInput(Problem("record_type", record_type, f"one of {', '.join(RecordType)}"))
    return RecordType(record_type)


def parse(name: str, rows: Sequence[Row], detected: Detected) -> ReadResult:
    result = ReadResult([], [], detected.format.record_type, detected.name, dict(detected.mapping), detected.unused)
    counts = Counter(rows=len(rows))
    for row in rows:
        try:
            records = parse_row(row, detected)
        except BadValue as bad:
            result.bad.append(BadRow(f"{name}:{row.line}", column(detected, bad.field), bad.got, bad.expected))
            continue
        counts[detected.format.left_out] += not records
        result.records += records
        result.lines += [row.line] * len(records)
    counts.update(records=len(result.records), bad=len(result.bad))
    result.counts = {key: n for key, n in counts.items() if key}
    return result


def parse_row(row: Row, detected: Detected) -> list[Record]:
    if isinstance(row.values, BadValue):
        raise row.values
    return detected.format.parse(detected.fields(row.values))


def column(detected: Detected, field: str) -> str:
    """A field under the name its column has in the file, where somebody will look for it."""
    head, bracket, rest = field.partition("[")
    return detected.mapping.get(head, head) + bracket + rest


def bad_rows(name: str, rows: Sequence[Row]) -> list[BadRow]:
    broken = [(row.line, row.values) for row in rows if isinstance(row.values, BadValue)]
    return [BadRow(f"{name}:{line}", bad.field, bad.got, bad.expected) for line, bad in broken]


def problems(bad: Sequence[BadRow]) -> list[Problem]:
    return [Problem(f"{row.where} {row.field}", row.got, row.expected) for row in bad[:MAX_PROBLEMS]]


def refuse_bad(name: str, result: ReadResult, max_bad: int | None) -> None:
    if max_bad is not None and len(result.bad) > max_bad:
        given = f"{len(result.bad)} bad of {result.counts['rows']} rows"
        raise InvalidInput(Problem("max_bad", given, f"at most {max_bad} in {name}"), *problems(result.bad))
    if not result.records:
        raise InvalidInput(Problem(name, "no usable rows", "at least one record"), *problems(result.bad))


def write_quarantine(path: Path, name: str, rows: Sequence[Row], bad: Sequence[BadRow]) -> None:
    by_place = {f"{name}:{row.line}": row.values for row in rows}
    with open(path, "w", encoding="utf-8") as file:
        for row in bad:
            entry: dict[str, Any] = {"where": row.where, "field": row.field, "got": row.got, "expected": row.expected}
            values = by_place[row.where]
            entry["row"] = values if isinstance(values, dict) else None
            file.write(json.dumps(entry, default=str) + "\n")
