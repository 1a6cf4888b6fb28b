"""Settings that every process with models in memory has."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.runtime.errors import Problem
from services.runtime.settings import ServerSettings


@dataclass(frozen=True)
class ModelServerSettings(ServerSettings):
    memory_mib: int = 4096  # for weights, and a policy's keys and values; the least recently used go first
    load_wait_seconds: float = 20.0  # how long a request waits for its model before it is asked to retry
    queue_tokens: int = 1_000_000  # admitted and not yet answered; beyond it requests are refused with a retry hint

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "memory_mib", "queue_tokens")
        if self.load_wait_seconds < 0:
            yield Problem("load_wait_seconds", str(self.load_wait_seconds), "a number of seconds, 0 or more")


@dataclass(frozen=True)
class BatchServerSettings(ModelServerSettings):
    # Padded tokens of one forward pass. On two cores 8192 took 1.5 times as long per token as 4096 (vocabulary 1024).
    batch_tokens: int = 4096
    max_items: int = 4096  # of one request

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "batch_tokens", "max_items")


def not_positive(settings: ServerSettings, *names: str) -> Iterator[Problem]:
    for name in names:
        if (value := getattr(settings, name)) <= 0:
            yield Problem(name, str(value), "a number above 0")
