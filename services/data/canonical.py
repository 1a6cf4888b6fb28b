"""Canonical JSONL: how every dataset is stored once it was read, whatever it came as.

One JSON object per line, in record order, UTF-8, LF; keys in field order, absent options left out. The set of keys
tells the type, and equal records give equal bytes, so the file's sha256 names the dataset.
"""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from services.data.records import Comparison, Demonstration, Message, PromptRecord, Record, UnpairedLabel
from services.runtime.errors import InvalidInput, Problem

OPTIONAL = {"margin", "weight"}
VALUE_TYPES = {"response": str, "chosen": str, "rejected": str, "label": bool, "margin": float, "weight": float}
BY_KEYS = {
    frozenset(field.name for field in fields(kind)) - OPTIONAL: kind
    for kind in (Demonstration, Comparison, PromptRecord, UnpairedLabel)
}


def to_json(record: Record) -> str:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    values["prompt"] = [{"role": message.role, "content": message.content} for message in record.prompt]
    kept = {key: value for key, value in values.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def write_canonical(path: Path, records: Iterable[Record]) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(to_json(record) + "\n" for record in records)


def read_canonical(path: Path) -> list[Record]:
    """Raises InvalidInput at the first line that is not canonical: nothing is guessed here."""
    records = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                records.append(parse_record(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                raise InvalidInput(
                    Problem(f"{path}:{number}", f"{line.strip()[:80]} ({error})", "a canonical record")
                ) from error
    return records


def parse_record(values: dict[str, Any]) -> Record:
    """Raises ValueError, KeyError or TypeError for anything but the keys and types of one record type."""
    kind = BY_KEYS[frozenset(values) - OPTIONAL]
    for key, value in values.items():
        if key != "prompt" and type(value) is not VALUE_TYPES[key]:
            raise TypeError(f"{key} is a {type(value).__name__}")
    return kind(**{**values, "prompt": tuple(parse_message(message) for message in values["prompt"])})


def parse_message(values: dict[str, Any]) -> Message:
    message = Message(**values)
    if not isinstance(message.content, str) or not isinstance(message.role, str):
        raise TypeError("a message holds two strings, role and content")
    return message
