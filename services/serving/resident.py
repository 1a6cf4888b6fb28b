"""One version held in memory, and how many requests are using it."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from services.runtime.errors import ServiceError
from services.storage.models import Version

T = TypeVar("T")


class ModelState(Enum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(eq=False)
class Resident(Generic[T]):
    version: Version
    swappable: bool  # a training version: the next one of the same name takes over its memory
    state: ModelState = ModelState.LOADING
    loaded: T | None = None
    error: ServiceError | None = None
    memory_bytes: int = 0
    leases: int = 0
    last_used: float = field(default_factory=time.monotonic)
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # no longer LOADING
    idle: asyncio.Event = field(default_factory=asyncio.Event)  # no leases

    def __post_init__(self) -> None:
        self.idle.set()

    @property
    def model(self) -> T:
        assert self.loaded is not None, "only a lease on a READY version gives a model"
        return self.loaded

    @contextmanager
    def leased(self) -> Iterator[None]:
        """Keeps the weights as they are: neither evicted nor swapped until the lease ends."""
        self.leases += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.leases -= 1
            self.last_used = time.monotonic()
            if not self.leases:
                self.idle.set()

    def ready(self, loaded: T, memory_bytes: int) -> None:
        self.loaded, self.memory_bytes, self.state = loaded, memory_bytes, ModelState.READY
        self.last_used = time.monotonic()
        self.settled.set()

    def fail(self, error: ServiceError) -> None:
        self.loaded, self.memory_bytes, self.state, self.error = None, 0, ModelState.FAILED, error
        self.last_used = time.monotonic()
        self.settled.set()

    def give_up(self) -> T | None:
        """Hands the weights to the version that takes over; only when idle."""
        assert not self.leases
        loaded, self.loaded, self.memory_bytes = self.loaded, None, 0
        return loaded
