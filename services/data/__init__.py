"""Reads the datasets people have and returns one of four record types."""

from services.data.canonical import read_canonical, write_canonical
from services.data.checks import CheckReport, Finding, check
from services.data.reading import BadRow, ReadResult, read
from services.data.records import (
    Comparison,
    Demonstration,
    Message,
    PromptRecord,
    Record,
    RecordType,
    UnpairedLabel,
)

__all__ = [
    "BadRow",
    "CheckReport",
    "Comparison",
    "Demonstration",
    "Finding",
    "Message",
    "PromptRecord",
    "ReadResult",
    "Record",
    "RecordType",
    "UnpairedLabel",
    "check",
    "read",
    "read_canonical",
    "write_canonical",
]
