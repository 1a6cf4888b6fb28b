"""Rows of JSONL, JSON, CSV (each also .gz) and Parquet files, with the line each stands on.

The text formats are read here line by line rather than by `datasets`, whose errors name no line and whose column types
turn one odd value into the failure of a whole file. Everything is bounded: a file, a gzip stream and a single row.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.data.formats.format import BadValue
from services.runtime.errors import InvalidInput, Problem

MAX_FILE_BYTES = 4 << 30  # as read, after decompression
MAX_ROW_BYTES = 8 << 20
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")


@dataclass(frozen=True)
class Row:
    """One row of a file, or what is wrong with it; `line` counts from 1 (rows, in Parquet)."""

    line: int
    values: dict[str, Any] | BadValue


def read_rows(path: Path) -> Iterator[Row]:
    """Raises InvalidInput where the file as a whole cannot be read; a broken row comes back as its BadValue."""
    ending = checked_ending(path)
    if ending == ".parquet":
        yield from parquet_rows(path)
    else:
        with open_bytes(path) as file:
            yield from (csv_rows(path, file) if ending == ".csv" else json_rows(path, file))


def checked_ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), None)
    if ending is None or path.name.lower().endswith(".parquet.gz"):
        raise InvalidInput(
            Problem(str(path), path.suffix or "no ending", f"a file ending in {', '.join(ENDINGS)} (.gz)")
        )
    if not path.is_file():
        given = "a folder" if path.is_dir() else "no such file"
        raise InvalidInput(Problem(str(path), given, "an existing file"))
    if path.stat().st_size > MAX_FILE_BYTES:
        raise too_large(path)
    return ending


def too_large(path: Path) -> InvalidInput:
    return InvalidInput(Problem(str(path), f"more than {MAX_FILE_BYTES >> 20} MiB", "a smaller file; split it"))


class Bounded(io.RawIOBase):
    """A binary file that refuses to give more than MAX_FILE_BYTES: a small .gz can hide a large file."""

    def __init__(self, path: Path, file: io.BufferedIOBase) -> None:
        self.path, self.file, self.left = path, file, MAX_FILE_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.file.read(len(buffer))
        except (gzip.BadGzipFile, EOFError, OSError) as error:
            raise InvalidInput(Problem(str(self.path), str(error), "a readable file")) from error
        self.left -= len(data)
        if self.left < 0:
            raise too_large(self.path)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def open_bytes(path: Path) -> io.BufferedReader:
    compressed = path.name.lower().endswith(".gz")
    return io.BufferedReader(Bounded(path, gzip.open(path) if compressed else open(path, "rb")), 1 << 20)


def json_rows(path: Path, file: io.BufferedReader) -> Iterator[Row]:
    """JSON Lines, or one array of objects, whichever the first character says; people mix the endings up."""
    first = file.peek(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return array_rows(path, file) if first == b"[" else line_rows(file)


def line_rows(file: io.BufferedReader) -> Iterator[Row]:
    number = 0
    while line := file.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(line) > MAX_ROW_BYTES:
            yield Row(number, BadValue("line", f"more than {MAX_ROW_BYTES >> 20} MiB", "a shorter line"))
            skip_line(file, line)
        elif line.strip():
            yield Row(number, parse_line(line))


def skip_line(file: io.BufferedReader, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(MAX_ROW_BYTES)


def parse_line(line: bytes) -> dict[str, Any] | BadValue:
    try:
        return as_object(json.loads(line.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        return BadValue(
            "encoding", line[error.start : error.start + 8], f"UTF-8 (byte {error.start + 1} of the line is not)"
        )
    except (ValueError, RecursionError) as error:
        return BadValue("line", line[:60].decode("utf-8", "replace").strip(), f"valid JSON ({error})")


def as_object(value: Any) -> dict[str, Any] | BadValue:
    return value if isinstance(value, dict) else BadValue("line", value, "a JSON object")


def array_rows(path: Path, file: io.BufferedReader) -> Iterator[Row]:
    """Decodes element by element, so that each is known by its line."""
    text, decoder, position, line = decoded(path, file.read()), json.JSONDecoder(), 0, 1
    while True:
        start = next_value(text, position)
        line += text.count("\n", position, start)
        if text[start : start + 1] == "]":
            return
        try:
            value, position = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(Problem(f"{path}:{line}", text[start : start + 60], f"valid JSON ({error})")) from error
        yield Row(line, as_object(value))
        line += text.count("\n", start, position)


def next_value(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n,[":
        position += 1
    return position


def decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        given = repr(data[error.start : error.start + 8])
        raise InvalidInput(Problem(f"{path}:{line}", given, f"UTF-8 ({error.reason})")) from error


def csv_rows(path: Path, file: io.BufferedReader) -> Iterator[Row]:
    csv.field_size_limit(MAX_ROW_BYTES)
    reader = csv.DictReader(io.StringIO(decoded(path, file.read()), newline=""), strict=True)
    line = 2
    try:
        for values in reader:
            yield Row(line, csv_values(values))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInput(Problem(f"{path}:{line}", str(error), "valid CSV")) from error


def csv_values(values: dict[Any, Any]) -> dict[str, Any] | BadValue:
    if None in values:
        return BadValue("row", values[None], "as many cells as the header has")
    return {name: unfolded(cell) for name, cell in values.items()}


def unfolded(cell: str | None) -> Any:
    """A cell that holds a JSON list of messages, as text-only files carry conversations."""
    if cell and cell.startswith(("[{", "{")):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def size_of(value: Any) -> int:
    """About how many bytes it takes. A column's dictionary, once in the file, can be in every row."""
    if isinstance(value, str | bytes):
        return len(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 8 + sum(map(size_of, parts))


def parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
            if sum(group.total_byte_size for group in groups) > MAX_FILE_BYTES:  # uncompressed
                raise too_large(path)
            number, left = 0, MAX_FILE_BYTES
            for batch in file.iter_batches(batch_size=64):
                for values in batch.to_pylist():
                    number, left = number + 1, left - size_of(values)
                    if left < 0:
                        raise too_large(path)
                    yield Row(number, values)
    except pyarrow.ArrowException as error:
        raise InvalidInput(Problem(str(path), str(error)[:200], "a Parquet file")) from error
