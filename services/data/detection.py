"""Which format a file is in, and which of its columns holds what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.data.formats import FORMATS
from services.data.formats.format import Format
from services.data.records import RecordType
from services.runtime.errors import InvalidInput, Problem

SAMPLE = 1000  # rows looked at; one row or one key says too little


@dataclass(frozen=True)
class Detected:
    format: Format
    mapping: Mapping[str, str]  # field of the format -> column
    name: str  # of the format, with the shape of its values
    unused: tuple[str, ...]  # columns nothing is read from

    def fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {field: value_of(values, column) for field, column in self.mapping.items()}


def value_of(values: Mapping[str, Any], column: str) -> Any:
    """A column's value; "input.messages" looks inside, None is nothing there."""
    if column in values or "." not in column:
        return values.get(column)
    outer, inner = column.split(".", 1)
    nested = values.get(outer)
    return value_of(nested, inner) if isinstance(nested, Mapping) else None


def detect(
    source: str,
    rows: Sequence[Mapping[str, Any]],
    field_map: Mapping[str, str],
    record_type: RecordType | None,
) -> Detected:
    """The first format, most specific first, whose columns are there and whose values look right in most rows.

    Raises InvalidInput naming the columns found.
    """
    sample = rows[:SAMPLE]
    columns = list(dict.fromkeys(name for row in sample for name in row))
    formats = [f for f in FORMATS if record_type in (None, f.record_type)]
    check_map(source, sample, columns, formats, field_map)
    for candidate in formats:
        mapping = map_columns(candidate, sample, field_map)
        if mapping is not None:
            found = Detected(candidate, mapping, named(candidate, mapping, sample), unused(columns, mapping))
            right = sum(candidate.looks_right(found.fields(row)) for row in sample)
            if 2 * right > len(sample):
                return found
    raise no_format(source, sample, columns, formats, record_type)


def map_columns(
    candidate: Format, sample: Sequence[Mapping[str, Any]], field_map: Mapping[str, str]
) -> dict[str, str] | None:
    """field -> column, or None when a required one is missing or a field the user mapped has no place here."""
    known = {**candidate.columns, **candidate.optional}
    if not set(field_map) <= set(known):
        return None
    mapping = dict(field_map)
    for field, names in known.items():
        column = next((name for name in names if has_column(sample, name)), None)
        if field not in mapping and column is not None:
            mapping[field] = column
    return mapping if set(candidate.columns) <= set(mapping) else None


def has_column(sample: Sequence[Mapping[str, Any]], column: str) -> bool:
    return any(value_of(row, column) is not None for row in sample)


def unused(columns: Sequence[str], mapping: Mapping[str, str]) -> tuple[str, ...]:
    used = {part for column in mapping.values() for part in (column, column.split(".")[0])}
    return tuple(name for name in columns if name not in used)


def named(candidate: Format, mapping: Mapping[str, str], sample: Sequence[Mapping[str, Any]]) -> str:
    """ "prompt-completion (messages)": strings, messages, or both."""
    values = [value_of(row, column) for row in sample for column in mapping.values()]
    shapes = [name for name, kind in (("messages", list), ("strings", str)) if any(isinstance(v, kind) for v in values)]
    return f"{candidate.name} ({' and '.join(shapes)})" if "prompt" in candidate.name else candidate.name


def check_map(
    source: str,
    sample: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    formats: Sequence[Format],
    field_map: Mapping[str, str],
) -> None:
    fields = sorted({field for f in formats for field in (*f.columns, *f.optional)})
    problems = [
        Problem(f"map.{field}", field, f"one of the fields {', '.join(fields)}")
        for field in field_map
        if field not in fields
    ] + [
        Problem(f"map.{field}", column, f"a column of {source}: {', '.join(columns)}")
        for field, column in field_map.items()
        if not has_column(sample, column)
    ]
    if problems:
        raise InvalidInput(*problems)


def no_format(
    source: str,
    sample: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    formats: Sequence[Format],
    record_type: RecordType | None,
) -> InvalidInput:
    wanted = list(dict.fromkeys(" + ".join(names[0] for names in f.columns.values()) for f in reversed(formats)))
    found = [name if has_column(sample, name) else f"{name} (empty)" for name in columns]
    kind = f" for {record_type} records" if record_type else ""
    hint = "name your columns with --map, e.g. --map chosen=answer_a"
    return InvalidInput(Problem(source, f"columns {', '.join(found)}", f"columns{kind}: {' | '.join(wanted)}; {hint}"))
