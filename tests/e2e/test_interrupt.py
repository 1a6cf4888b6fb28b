"""Whoever ends the commands that start services finds none of them running afterwards, and no worker."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import wait_until
from tests.e2e.workplace import alive

pytestmark = pytest.mark.timeout(900)

RLHF = Path(sys.executable).with_name("rlhf")
SERVICES = {f"services.{name}" for name in ("policy", "reward", "reference", "trainer", "feedback")}
QUICKSTART = "from services.quickstart import main; from pathlib import Path; main(fast=True, out=Path({!r}))"


@contextmanager
def started(*command: object) -> Iterator[psutil.Popen]:
    process = psutil.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells ignore it for what runs behind them
    )
    try:
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def programs(process: psutil.Process) -> dict[str, psutil.Process]:
    """The modules that run below a process."""
    found = {}
    for child in process.children(recursive=True):
        command = child.cmdline() if alive(child) else []
        if "-m" in command:
            found[command[command.index("-m") + 1]] = child
    return found


def end_in_training(process: psutil.Popen, number: signal.Signals) -> dict[str, psutil.Process]:
    """Signals a quickstart that has a worker; returns what ran below it."""
    needed = {*SERVICES, "services.trainer.worker"}
    wait_until(lambda: process.poll() is not None or needed <= programs(process).keys(), seconds=500)
    assert process.poll() is None, f"it ended by itself: {process.stdout and process.stdout.read()}"
    running = programs(process)
    process.send_signal(number)
    return running


def check_gone(running: dict[str, psutil.Process], seconds: float) -> None:
    left = psutil.wait_procs(list(running.values()), timeout=seconds)[1]
    assert [process.cmdline()[:4] for process in left if alive(process)] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.full)])
def test_an_interrupted_quickstart_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    with started(RLHF, "quickstart", "--fast", "--out", tmp_path) as process:
        running = end_in_training(process, number)
        assert process.wait(120) > 0
        check_gone(running, seconds=0.5)


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.full), signal.SIGKILL])
def test_nor_does_one_that_could_not_clean_up(tmp_path: Path, number: signal.Signals) -> None:
    with started(sys.executable, "-c", QUICKSTART.format(str(tmp_path))) as process:
        running = end_in_training(process, number)
        assert process.wait(60) == -number
        check_gone(running, seconds=120)


def test_sigterm_ends_what_up_started(tmp_path: Path) -> None:
    with started(RLHF, "up", "--storage", tmp_path / "storage", "--logs", tmp_path / "logs") as process:
        assert process.stdout is not None
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, "it ended by itself"
        running = programs(process)
        assert running.keys() == SERVICES | {"services.gateway"}
        process.terminate()
        assert process.wait(120) == 0
        check_gone(running, seconds=0.5)
