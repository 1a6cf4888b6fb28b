from collections.abc import Iterator
from dataclasses import dataclass

from services.runtime.errors import Problem
from services.runtime.settings import not_positive
from services.serving.settings import ModelServerSettings


@dataclass(frozen=True)
class PolicySettings(ModelServerSettings):
    port: int = 50051
    metrics_port: int = 9051
    max_slots: int = 256  # sequences of one model that decode together
    kv_cache_mib: int = 512  # for their keys and values, where they could use as much; counts twice (see model.py)
    max_prompts: int = 1024  # of one request
    max_samples: int = 64  # of one prompt
    max_new_tokens: int = 4096
    log_texts: bool = False  # responses go into the log, one event each; personal data then does too

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "max_slots", "kv_cache_mib", "max_prompts", "max_samples", "max_new_tokens")
