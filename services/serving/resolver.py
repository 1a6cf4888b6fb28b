"""Looks model references up in storage and remembers the answer for a moment."""

import asyncio
import time
from collections import OrderedDict

from services.storage.models import ModelStore, Version

# How stale an alias or a "newest version" may be. A pinned version never changes and is remembered for good.
FRESH_SECONDS = 2.0
REMEMBERED = 1024


class Resolver:
    def __init__(self, models: ModelStore, fresh_seconds: float = FRESH_SECONDS):
        self._models = models
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[str, tuple[Version, float]] = OrderedDict()

    async def resolve(self, reference: str) -> Version:
        """`name@version`, `name` (newest) or an alias; NotFound otherwise."""
        known = self._known.get(reference)
        if known and time.monotonic() < known[1]:
            return known[0]
        version = await asyncio.to_thread(self._models.resolve, reference)
        lifetime = float("inf") if "@" in reference else self._fresh_seconds
        self._known[reference] = version, time.monotonic() + lifetime
        self._known.move_to_end(reference)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return version
