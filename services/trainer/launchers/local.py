"""A worker is a subprocess on the same machine, in a session of its own, so that it outlives the control plane."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from services.runtime.channels import own_variables
from services.runtime.environment import SHARED_MACHINE
from services.trainer.launchers.command import MODULE, WorkerSettings
from services.trainer.launchers.launcher import Assignment, Exit, Launch, LaunchRefused, Running, could_not_go_on

# A worker waits for a line before it becomes the worker (same process id). A control plane that dies before it has
# recorded the worker closes the pipe instead, and the worker goes away unheard.
GATE = "import os, sys; sys.stdin.readline() == 'go\\n' or sys.exit(0); os.execv(sys.argv[1], sys.argv[1:])"

LAST_WORDS = "last_words.txt"

# Nothing else of the control plane's environment reaches a worker.
KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE"}
KEPT_PREFIXES = ("AWS_", "CUDA_", "CUBLAS_", "GLOO_", "NCCL_", "OTEL_")
# The kernel tells a start relative to boot, and the time of boot moves a little when the clock is set.
START_TOLERANCE_SECONDS = 2.0


class LocalLauncher:
    """`command` replaces the worker's program (tests of faults)."""

    kinds = frozenset({"local"})

    def __init__(self, settings: WorkerSettings, command: Sequence[str] = ("-m", MODULE)) -> None:
        self._settings = settings
        self._command = command
        self._children: dict[int, subprocess.Popen] = {}

    def prepare(self, assignment: Assignment) -> Launch:
        folder = self._settings.work_dir / assignment.run_id / str(assignment.attempt)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            child = self._spawn(assignment, folder)
        except OSError as error:
            raise LaunchRefused(f"the worker could not be started: {error}") from error
        self._children[child.pid] = child
        started = psutil.Process(child.pid).create_time()
        return {"launcher": "local", "pid": child.pid, "started": started, "log": str(folder / "log.txt")}

    def begin(self, assignment: Assignment, launch: Launch) -> None:
        """A child of another control plane that died before this has gone at its gate; `poll` says so."""
        if child := self._children.get(launch["pid"]):
            assert child.stdin is not None, "a prepared worker has a gate"
            with contextlib.suppress(BrokenPipeError, ValueError):  # it died there, or has gone through already
                child.stdin.write(b"go\n")
                child.stdin.close()

    def poll(self, launch: Launch, ran: bool = True) -> Running | Exit:
        if child := self._children.get(launch["pid"]):
            code = child.poll()
            return Running() if code is None else _last_words(launch) or Exit(describe(code))
        return Running() if _process(launch) else Exit("ended without a last word")

    def stop(self, launch: Launch, grace_seconds: float) -> None:
        _signal(launch, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while self._lives(launch) and time.monotonic() < deadline:
            time.sleep(0.05)
        while self._lives(launch):
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

    def close(self) -> None:
        pass

    def _lives(self, launch: Launch) -> bool:
        return isinstance(self.poll(launch), Running)

    def _spawn(self, assignment: Assignment, folder: Path) -> subprocess.Popen:
        program = [sys.executable, *torchrun(assignment.placement.processes_per_node), *self._command]
        with (folder / "log.txt").open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-c", GATE, *program, *self._settings.flags(assignment, folder, folder / LAST_WORDS)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=worker_environment(os.environ, assignment.threads),
                start_new_session=True,
            )


def torchrun(processes: int) -> list[str]:
    """Nothing for a single process, which needs no rendezvous."""
    if processes == 1:
        return []
    # Without the dashes it takes a worker's --run for an abbreviation of its own --run-path.
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--"]


def describe(code: int) -> str:
    """A process's end in words; `code` as in subprocess, negative for a signal."""
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL), perhaps because memory ran out"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code} and without a last word" if code else "ended with exit code 0"


def worker_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """Enough to find Python and object storage, and to be known by services; torch and OpenMP keep to `threads`."""
    kept = {name: value for name, value in environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    return {**kept, **own_variables(environ), **SHARED_MACHINE, "OMP_NUM_THREADS": str(threads)}


def _last_words(launch: Launch) -> Exit | None:
    """A worker's own, where it had no other place to leave them."""
    file = Path(launch["log"]).with_name(LAST_WORDS)
    return could_not_go_on(file.read_text()) if file.exists() else None


def _process(launch: Launch) -> psutil.Process | None:
    """The worker's process, never another one that was given its number later."""
    try:
        process = psutil.Process(launch["pid"])
        same = abs(process.create_time() - launch["started"]) < START_TOLERANCE_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _signal(launch: Launch, number: int) -> None:
    """To the worker and what it started: it leads a process group. torchrun's processes lead groups of their own: it
    passes SIGTERM on to them, and cannot do so with SIGKILL."""
    if process := _process(launch):
        for descendant in process.children(recursive=True) if number == signal.SIGKILL else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                descendant.kill()
        with contextlib.suppress(ProcessLookupError):  # gone between the look and the signal
            os.killpg(launch["pid"], number)
