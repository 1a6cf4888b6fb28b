"""What a log collector gets."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from services.runtime.logs import JsonLines


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.entries: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(json.loads(JsonLines().format(record)))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """One for each call that ended."""
        return [entry for entry in self.entries if entry["message"] == "call ended"]


@contextmanager
def collected() -> Iterator[Lines]:
    """Every line of the services in this process."""
    handler, logger = Lines(), logging.getLogger("services")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
