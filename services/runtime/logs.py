"""Logs: one line an event, with whose it is: run, attempt, stage, step, request id, model version.

What a process does all its life for (a worker's run) is said once by `identify`; what belongs to one call is kept by
`during` and added to by `note`. No text of a prompt or a response comes here unless a setting says so.
"""

import json
import logging
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# From whom a call comes travels in its metadata under these names.
REQUEST_ID = "x-request-id"
HEADERS = {"rlhf-run": "run", "rlhf-attempt": "attempt", "rlhf-step": "step", REQUEST_ID: "request_id"}
MAX_HEADER_CHARS = 128

_process: dict[str, Any] = {}
_call: ContextVar[dict[str, Any] | None] = ContextVar("call", default=None)


def identify(**fields: Any) -> None:
    """From now on every line of this process has these fields."""
    _process.update(fields)


@contextmanager
def during(**fields: Any) -> Iterator[None]:
    """Lines from within the block have these fields, also from tasks that it starts."""
    token = _call.set({**(_call.get() or {}), **fields})
    try:
        yield
    finally:
        _call.reset(token)


def note(**fields: Any) -> None:
    """Adds to the innermost `during`, for the lines still to come; without one it does nothing."""
    if (current := _call.get()) is not None:
        current.update(fields)


def fields() -> dict[str, Any]:
    return {**_process, **(_call.get() or {})}


def call_fields(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What a caller says of itself, cut to what fits a line; a request id of our own where it says none."""
    given = {name: metadata[header] for header, name in HEADERS.items() if header in metadata}
    said = {name: text[:MAX_HEADER_CHARS] for name, text in given.items() if isinstance(text, str)}
    return {"request_id": uuid.uuid4().hex[:16], **said}


def outgoing() -> list[tuple[str, str]]:
    """The metadata of a call that this process makes; each has a request id of its own."""
    known = fields()
    said = [(header, str(known[name])) for header, name in HEADERS.items() if name in known and header != REQUEST_ID]
    return [*said, (REQUEST_ID, uuid.uuid4().hex[:16])]


def configure_logging(as_json: bool, label: str = "") -> None:
    """To stderr: stdout is for the line that names the ports. `label` tells lines of several processes apart."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else TextLines(label))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class JsonLines(logging.Formatter):
    """One object per line, as log collectors read it."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextLines(logging.Formatter):
    """For people: the call's fields behind the message; those of the process are the same on every line."""

    def __init__(self, label: str) -> None:
        source = f"{label} %(name)s" if label else "%(name)s"
        super().__init__(f"%(asctime)s %(levelname)s {source} %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        told = " ".join(f"{name}={value}" for name, value in (_call.get() or {}).items())
        return f"{super().formatMessage(record)}  {told}" if told else super().formatMessage(record)
