"""What a worker is told when it is launched."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.runtime.errors import Problem
from services.runtime.settings import Settings, not_positive


@dataclass(frozen=True)
class WorkerSettings(Settings):
    storage: str = ""  # as of the services
    run: str = ""
    attempt: int = 0
    trainer: str = "127.0.0.1:50054"
    policy: str = "127.0.0.1:50051"
    reward: str = "127.0.0.1:50052"
    reference: str = "127.0.0.1:50053"
    service_seconds: float = 1800.0  # how long policy, reward and reference are waited for where they do not answer
    threads: int = 1
    work_dir: Path = Path(".")  # for what is fetched and written meanwhile
    last_words: Path | None = None  # a file for why it cannot go on, where storage cannot be told
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    advertise: str = ""  # the host under which others reach the metrics; empty: metrics_host
    log_json: bool = False

    def problems(self) -> Iterator[Problem]:
        for name in ("storage", "run"):
            if not getattr(self, name):
                yield Problem(name, "nothing", "a value")
        yield from not_positive(self, "attempt", "threads", "service_seconds")
