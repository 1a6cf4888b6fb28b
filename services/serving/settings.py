"""Settings that every process with models in memory has."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from services.runtime.errors import Problem
from services.runtime.settings import ServerSettings, negative_seconds, not_positive
from services.serving.devices import AUTO, usable


@dataclass(frozen=True)
class ModelServerSettings(ServerSettings):
    device: str = AUTO  # cpu, cuda or cuda:1; auto takes a GPU where torch sees one
    memory_mib: int = 4096  # for weights, and a policy's keys and values; the least recently used go first
    load_wait_seconds: float = 20.0  # how long a request waits for its model before it is asked to retry
    queue_tokens: int = 1_000_000  # admitted and not yet answered; beyond it requests are refused with a retry hint

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if not usable(self.device):
            seen = ", ".join(["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))])
            yield Problem("device", self.device, f"auto, or one that torch sees here: {seen}")
        yield from not_positive(self, "memory_mib", "queue_tokens")
        yield from negative_seconds(self, "load_wait_seconds")


@dataclass(frozen=True)
class BatchServerSettings(ModelServerSettings):
    # Padded tokens of one forward pass. On two cores 8192 took 1.5 times as long per token as 4096 (vocabulary 1024).
    batch_tokens: int = 4096
    max_items: int = 4096  # of one request

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "batch_tokens", "max_items")
