from collections.abc import Iterator
from dataclasses import dataclass

from services.runtime.errors import Problem
from services.runtime.settings import not_positive
from services.serving.settings import BatchServerSettings


@dataclass(frozen=True)
class RewardSettings(BatchServerSettings):
    port: int = 50052
    metrics_port: int = 9052
    max_members: int = 16  # of an ensemble

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "max_members")
