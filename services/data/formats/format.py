"""What a dataset format is: the columns it needs, how to recognise its values, and how one row becomes records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.data.records import Record, RecordType

Fields = Mapping[str, Any]  # a format's own field names -> the values one row has for them; None where it has none


class BadValue(Exception):
    """One row cannot become a record: which field, what it held, what it should hold."""

    def __init__(self, field: str, got: object, expected: str) -> None:
        super().__init__(f"{field}: got {describe(got)}, expected {expected}")
        self.field = field
        self.got = describe(got)
        self.expected = expected


def describe(value: object) -> str:
    """A value as a person reads it in an error: short, with its type where the text alone would mislead."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def any_values(fields: Fields) -> bool:
    return True


@dataclass(frozen=True)
class Format:
    name: str  # shown to people
    record_type: RecordType
    columns: Mapping[str, tuple[str, ...]]  # field -> names its column may have, the most usual first
    parse: Callable[[Fields], list[Record]]  # raises BadValue; an empty list is a row left out on purpose
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # the same for fields that may be absent
    looks_right: Callable[[Fields], bool] = any_values  # cheap test of the values; asked of many rows
    left_out: str = ""  # what a row is called for which parse returns nothing, e.g. "ties"
