"""Settings of the control plane."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.runtime.errors import Problem
from services.runtime.settings import ServerSettings, is_loopback, negative_seconds, not_positive
from services.trainer.launchers.cluster_settings import ClusterSettings
from services.trainer.supervisor import Limits
from services.trainer.worker.settings import WorkerSettings


@dataclass(frozen=True)
class TrainerSettings(ClusterSettings, ServerSettings):
    port: int = 50054
    metrics_port: int = 9054
    deadline_seconds: float = 3600.0  # watching a run and reading its log take as long as they take
    policy: str = "127.0.0.1:50051"  # addresses that workers are given
    reward: str = "127.0.0.1:50052"
    reference: str = "127.0.0.1:50053"
    service_seconds: float = WorkerSettings.service_seconds  # a run whose worker waits longer for one of them fails
    work_dir: Path = Path.home() / ".cache" / "rlhf" / "work"  # of workers and uploads; nothing in it is needed later
    max_running: int = Limits.max_running
    max_attempts: int = Limits.max_attempts
    heartbeat_seconds: float = Limits.heartbeat_seconds
    start_seconds: float = Limits.start_seconds
    stop_seconds: float = Limits.stop_seconds
    retention_seconds: float = Limits.retention_seconds
    stop_workers: bool = False  # on SIGTERM, stop the workers too; their runs go on when the control plane is back
    # Imports from the service's own file system come from below it. Unset, they come from anywhere while users of this
    # machine alone can ask, and from nowhere otherwise.
    import_root: Path | None = None
    max_dataset_mib: int = 2048
    max_model_gib: float = 64.0

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "max_running", "max_attempts", "heartbeat_seconds", "start_seconds")
        yield from not_positive(self, "max_dataset_mib", "max_model_gib", "service_seconds")
        if self.launcher == "kubernetes" and not self.storage.startswith("s3://"):
            yield Problem("storage", repr(self.storage), "s3://bucket/prefix: a worker's pod has no folder of this one")
        yield from negative_seconds(self, "stop_seconds", "retention_seconds")

    @property
    def importable(self) -> Path | None:
        return self.import_root or (Path("/") if is_loopback(self.host) else None)

    def limits(self) -> Limits:
        return Limits(
            max_running=self.max_running,
            max_attempts=self.max_attempts,
            heartbeat_seconds=self.heartbeat_seconds,
            start_seconds=self.start_seconds,
            stop_seconds=self.stop_seconds,
            retention_seconds=self.retention_seconds,
            threads=self.threads,
        )
