"""The command line of a worker, the same wherever it runs."""

from dataclasses import dataclass
from pathlib import Path

from services.trainer.launchers.launcher import Assignment
from services.trainer.worker import settings as worker

MODULE = "services.trainer.worker"


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker is told."""

    storage: str
    trainer: str
    policy: str
    reward: str
    reference: str
    work_dir: Path
    log_json: bool = False
    service_seconds: float = worker.WorkerSettings.service_seconds

    def flags(self, assignment: Assignment, folder: Path, last_words: Path) -> list[str]:
        """`last_words` is a file for why a worker cannot go on, where storage cannot be told."""
        return [
            *("--storage", self.storage, "--run", assignment.run_id, "--attempt", str(assignment.attempt)),
            *("--trainer", self.trainer, "--policy", self.policy),
            *("--reward", self.reward, "--reference", self.reference),
            *("--threads", str(assignment.threads), "--work-dir", str(folder)),
            *("--service-seconds", f"{self.service_seconds:g}"),
            *("--last-words", str(last_words)),
            *(["--log-json"] if self.log_json else []),
        ]
