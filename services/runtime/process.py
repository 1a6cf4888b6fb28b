"""The `main` of every service: settings, logging, then the service; errors for people without a traceback."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from services.runtime.errors import InvalidInput, ServiceError
from services.runtime.logs import configure_logging
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
