"""Imported files become rows: in the formats of `import_rows`, else in any that datasets come in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from services.data import Comparison, Demonstration, Record
from services.data.files import Row as FileRow
from services.data.files import read_rows, size_of
from services.data.formats.format import BadValue
from services.data.reading import BadRow, as_records, problems
from services.feedback.answers import Choice, Preference
from services.feedback.import_rows import FORMATS, IMPORTED, ImportedRow, Row, RowFormat, Said
from services.feedback.items import Item
from services.feedback.raters import check_rater
from services.feedback.recipe import CampaignKind
from services.runtime.errors import InvalidInput, Problem
from services.storage.receiving import told_as


class ImportKind(StrEnum):
    ITEMS = "items"
    GOLD = "gold"
    JUDGEMENTS = "judgements"


@dataclass(frozen=True)
class Header:
    kind: ImportKind
    filename: str
    sha256: str
    field_map: Mapping[str, str] = field(default_factory=dict)
    max_bad: int = 0

    @property
    def shown(self) -> str:
        """The file's name as errors tell it."""
        return self.filename[-60:]


@dataclass(frozen=True)
class FileRows:
    rows: list[ImportedRow]
    bad: int
    detected_format: str


def file_rows(path: Path, header: Header, kind: CampaignKind, max_bytes: int) -> FileRows:
    """`max_bytes` bounds what is read, which a file of a few bytes can repeat without end.

    Raises InvalidInput for more bad rows than the header allows, and where none is left.
    """
    with told_as(str(path), header.shown):
        rows = _bounded(read_rows(path), max_bytes)
        first = next((row.values for row in rows if isinstance(row.values, dict)), {})
        chosen = next((f for f in FORMATS if all(header.field_map.get(c, c) in first for c in f.columns)), None)
        return _in_format(chosen, rows, header) if chosen else _records(rows, header, kind)


def _bounded(rows: Iterable[FileRow], max_bytes: int) -> list[FileRow]:
    found, left = [], max_bytes
    for row in rows:
        left -= size_of(row.values)
        if left < 0:
            given, expected = f"more than {max_bytes >> 20} MiB in {row.line} rows", f"at most {max_bytes >> 20} MiB"
            raise InvalidInput(Problem("file", given, expected))
        found.append(row)
    return found


def _in_format(chosen: RowFormat, rows: list[FileRow], header: Header) -> FileRows:
    found, bad = [], []
    for row in rows:
        try:
            if isinstance(row.values, BadValue):
                raise row.values
            found.append(_parsed(chosen, row.values, header.field_map))
        except BadValue as error:
            bad.append(BadRow(f"{header.shown}:{row.line}", error.field, error.got, error.expected))
    if len(bad) > header.max_bad:
        given = f"{len(bad)} bad of {len(rows)} rows"
        raise InvalidInput(Problem("max_bad", given, f"at most {header.max_bad}"), *problems(bad))
    if not found:
        raise InvalidInput(Problem("file", "no usable row", "at least one"), *problems(bad))
    return FileRows(found, len(bad), chosen.name)


def _parsed(chosen: RowFormat, values: Row, field_map: Mapping[str, str]) -> ImportedRow:
    row = chosen.parse({**values, **{name: values.get(column) for name, column in field_map.items()}})
    for one in row.said:
        try:
            check_rater("rater", one.rater)
        except InvalidInput as error:
            raise BadValue("rater", one.rater, error.problems[0].expected) from None
    return row


def _records(rows: list[FileRow], header: Header, kind: CampaignKind) -> FileRows:
    """Every other format that datasets come in."""
    wanted = "comparison" if kind is CampaignKind.COMPARISON else None
    result = as_records(header.shown, rows, header.field_map, wanted, header.max_bad)
    raters = Counter[tuple]()
    return FileRows([_row(record, raters) for record in result.records], len(result.bad), result.detected_format)


def _row(record: Record, raters: Counter[tuple]) -> ImportedRow:
    """Nobody says who chose: a pair that stands there several times was judged by as many."""
    if isinstance(record, Comparison):
        item = Item(record.prompt, (record.chosen, record.rejected))
        key = (record.prompt, *sorted(item.responses))
        raters[key] += 1
        return ImportedRow(item, [Said(f"{IMPORTED}-{raters[key]}", Preference(Choice.FIRST))])
    draft = (record.response,) if isinstance(record, Demonstration) else ()
    return ImportedRow(Item(record.prompt, draft))
