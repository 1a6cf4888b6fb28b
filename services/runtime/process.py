"""The `main` of every service: settings, logging, then the service; errors for people without a traceback."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from services.runtime.errors import InvalidInput, ServiceError
from services.runtime.settings import SettingsT, load_settings


def run(settings_class: type[SettingsT], prefix: str, start: Callable[[SettingsT], Coroutine[Any, Any, None]]) -> None:
    """Runs `start(settings)` to its end. Bad settings, or a ServiceError at start, end the process with code 2."""
    try:
        settings = load_settings(settings_class, prefix, sys.argv[1:], os.environ)
        configure_logging(as_json=getattr(settings, "log_json", False))
        asyncio.run(start(settings))
    except ServiceError as error:
        lines = map(str, error.problems) if isinstance(error, InvalidInput) else [error.message]
        print(*lines, sep="\n", file=sys.stderr)
        sys.exit(2)


def configure_logging(as_json: bool, label: str = "") -> None:
    """To stderr: stdout is for the line that names the ports. `label` tells lines of several processes apart."""
    handler = logging.StreamHandler(sys.stderr)
    source = f"{label} %(name)s" if label else "%(name)s"
    handler.setFormatter(
        JsonLines() if as_json else logging.Formatter(f"%(asctime)s %(levelname)s {source} %(message)s")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class JsonLines(logging.Formatter):
    """One object per line, as log collectors read it."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)
