"""A worker is a subprocess on the same machine, in a session of its own, so that it outlives the control plane."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from services.trainer.launchers.launcher import Exit, Job, Launch

# A worker waits for a line before it becomes the worker (same process id). A control plane that dies before it has
# recorded the worker closes the pipe instead, and the worker goes away unheard.
GATE = "import os, sys; sys.stdin.readline() == 'go\\n' or sys.exit(0); os.execv(sys.argv[1], sys.argv[1:])"

# Nothing else of the control plane's environment reaches a worker.
KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE"}
KEPT_PREFIXES = ("AWS_", "CUDA_", "CUBLAS_")
# The kernel tells a start relative to boot, and the time of boot moves a little when the clock is set.
START_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True)
class WorkerSettings:
    """What every worker is told."""

    storage: str
    trainer: str
    policy: str
    reward: str
    reference: str
    work_dir: Path


class LocalLauncher:
    """`command` replaces the worker's program (tests of faults)."""

    def __init__(self, settings: WorkerSettings, command: Sequence[str] = ("-m", "services.trainer.worker")) -> None:
        self._settings = settings
        self._command = command
        self._children: dict[int, subprocess.Popen] = {}

    def prepare(self, job: Job) -> Launch:
        folder = self._settings.work_dir / job.run_id / str(job.attempt)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "log.txt"
        arguments = [sys.executable, "-c", GATE, sys.executable, *self._command, *self._flags(job, folder)]
        with log.open("wb") as out:
            child = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=worker_environment(os.environ, job.threads),
                start_new_session=True,
            )
        self._children[child.pid] = child
        started = psutil.Process(child.pid).create_time()
        return {"launcher": "local", "pid": child.pid, "started": started, "log": str(log)}

    def begin(self, launch: Launch) -> None:
        gate = self._children[launch["pid"]].stdin
        assert gate is not None, "a prepared worker has a gate"
        with contextlib.suppress(BrokenPipeError):  # it died at the gate; poll says so
            gate.write(b"go\n")
            gate.close()

    def poll(self, launch: Launch) -> Exit | None:
        if child := self._children.get(launch["pid"]):
            code = child.poll()
            return None if code is None else Exit(code)
        return None if _process(launch) else Exit(None)

    def stop(self, launch: Launch, grace_seconds: float) -> None:
        _signal(launch, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while self.poll(launch) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        while self.poll(launch) is None:
            _signal(launch, signal.SIGKILL)
            time.sleep(0.05)

    def read_log(self, launch: Launch, offset: int, limit: int) -> bytes:
        try:
            with open(launch["log"], "rb") as file:
                file.seek(offset)
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def clear(self, launch: Launch) -> None:
        self._children.pop(launch["pid"], None)
        shutil.rmtree(Path(launch["log"]).parent, ignore_errors=True)

    def _flags(self, job: Job, folder: Path) -> list[str]:
        settings = self._settings
        return [
            *("--storage", settings.storage, "--run", job.run_id, "--attempt", str(job.attempt)),
            *("--trainer", settings.trainer, "--policy", settings.policy),
            *("--reward", settings.reward, "--reference", settings.reference),
            *("--threads", str(job.threads), "--work-dir", str(folder)),
        ]


def worker_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """Enough to find Python and object storage; torch and OpenMP keep to `threads`."""
    kept = {name: value for name, value in environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    return {**kept, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def _process(launch: Launch) -> psutil.Process | None:
    """The worker's process, never another one that was given its number later."""
    try:
        process = psutil.Process(launch["pid"])
        same = abs(process.create_time() - launch["started"]) < START_TOLERANCE_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _signal(launch: Launch, number: int) -> None:
    """To the worker and what it started: it leads a process group."""
    if _process(launch):
        with contextlib.suppress(ProcessLookupError):  # gone between the look and the signal
            os.killpg(launch["pid"], number)
