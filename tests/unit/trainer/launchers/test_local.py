"""Workers as processes that a control plane starts, loses and finds again."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from services.trainer.launchers.launcher import PASSING, Assignment, Exit, LaunchRefused, Running, Verdict
from services.trainer.launchers.local import LocalLauncher, WorkerSettings, describe, worker_environment
from services.trainer.placement import Placement

JOB = Assignment("run-1", 1, threads=2)
SAY = "import os, sys; print(os.getcwd(), os.environ['OMP_NUM_THREADS'], *sys.argv[1:])"
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"

Launchers = Callable[[str], LocalLauncher]


@pytest.fixture
def launchers(tmp_path: Path) -> Iterator[Launchers]:
    """Makes launchers whose workers run a line of Python; whatever is left at the end is killed."""
    mine = {child.pid for child in psutil.Process().children()}
    settings = WorkerSettings("store", "trainer:1", "policy:1", "reward:1", "reference:1", tmp_path)
    yield lambda code: LocalLauncher(settings, command=("-c", code))
    for child in psutil.Process().children():
        if child.pid not in mine:
            child.kill()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(launcher: LocalLauncher, launch: dict) -> bool:
    return isinstance(launcher.poll(launch), Exit)


def printed(launcher: LocalLauncher, launch: dict) -> str:
    return launcher.read_log(launch, 0, 10_000).decode()


def test_a_worker_is_told_everything_and_its_output_kept(launchers: Launchers, tmp_path: Path) -> None:
    launcher = launchers(SAY)
    launch = launcher.prepare(JOB)
    launcher.begin(JOB, launch)
    until(lambda: ended(launcher, launch))
    assert launcher.poll(launch) == Exit("ended with exit code 0")
    folder = tmp_path / "run-1" / "1"
    assert printed(launcher, launch) == (
        f"{folder} 2 --storage store --run run-1 --attempt 1 --trainer trainer:1 --policy policy:1 --reward reward:1 "
        f"--reference reference:1 --threads 2 --work-dir {folder} --service-seconds 1800 "
        f"--last-words {folder}/last_words.txt\n"
    )
    assert launcher.read_log(launch, 3, 5) == printed(launcher, launch).encode()[3:8]
    launcher.clear(launch)
    assert not folder.exists()


def test_a_prepared_worker_does_nothing_before_it_is_let_go(launchers: Launchers) -> None:
    launcher = launchers(SAY)
    launch = launcher.prepare(JOB)
    time.sleep(0.3)
    assert launcher.poll(launch) == Running()
    assert printed(launcher, launch) == ""
    assert psutil.Process(launch["pid"]).create_time() == launch["started"]


def test_a_worker_that_nobody_recorded_goes_away(launchers: Launchers) -> None:
    """The control plane died between starting and recording it: the pipe closes."""
    launcher = launchers(SAY)
    launch = launcher.prepare(JOB)
    launcher._children[launch["pid"]].stdin.close()  # type: ignore[union-attr]
    until(lambda: ended(launcher, launch))
    assert printed(launcher, launch) == ""


def test_another_launcher_finds_the_worker_and_stops_it(launchers: Launchers) -> None:
    first, second = launchers(SLEEP), launchers(SLEEP)
    launch = first.prepare(JOB)
    first.begin(JOB, launch)
    until(lambda: printed(first, launch))
    assert second.poll(launch) == Running()
    second.stop(launch, grace_seconds=10)
    assert second.poll(launch) == Exit("ended without a last word"), "it was not there to see the exit code"
    assert first.poll(launch) == Exit("was killed by SIGTERM")


def test_a_process_that_was_given_the_same_number_later_is_never_touched(launchers: Launchers) -> None:
    launcher, other = launchers(SLEEP), launchers(SLEEP)
    innocent = other.prepare(JOB)
    other.begin(JOB, innocent)
    reused = {**innocent, "started": innocent["started"] - 3600}
    assert launcher.poll(reused) == Exit("ended without a last word")
    launcher.stop(reused, grace_seconds=0)
    assert other.poll(innocent) == Running()


def test_a_worker_that_does_not_listen_is_killed(launchers: Launchers) -> None:
    launcher = launchers(DEAF)
    launch = launcher.prepare(JOB)
    launcher.begin(JOB, launch)
    until(lambda: printed(launcher, launch))
    launcher.stop(launch, grace_seconds=0.2)
    assert launcher.poll(launch) == Exit("was killed (SIGKILL), perhaps because memory ran out")


def test_nothing_of_the_environment_leaks_but_what_is_needed() -> None:
    environ = {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "s",
        "GITHUB_TOKEN": "t",
        "RLHF_TRAINER_PORT": "1",
        "RLHF_TOKENS": "of everybody",
        "RLHF_TOKEN": "its own",
        "RLHF_CA": "ca.pem",
        "LD_PRELOAD": "x",
    }
    kept = worker_environment(environ, 3)
    assert kept["OMP_NUM_THREADS"] == "3"
    assert "GOMP_SPINCOUNT" in kept, "its threads would spin on the cores of other workers"
    assert {name for name in kept if name in environ} == {"PATH", "AWS_SECRET_ACCESS_KEY", "RLHF_TOKEN", "RLHF_CA"}
    assert kept["RLHF_CA"] == str(Path.cwd() / "ca.pem"), "a worker starts in another folder"


def test_the_log_of_a_worker_that_is_gone_is_empty(launchers: Launchers) -> None:
    launch = {"launcher": "local", "pid": 1, "started": 0.0, "log": "/nonexistent/log.txt"}
    assert launchers(SAY).read_log(launch, 0, 10) == b""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3 and without a last word"),
        (-9, "was killed (SIGKILL), perhaps because memory ran out"),
        (-11, "was killed by SIGSEGV"),
    ],
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert describe(code) == words


def test_several_processes_are_started_by_torchrun(tmp_path: Path) -> None:
    settings = WorkerSettings("store", "trainer:1", "policy:1", "reward:1", "reference:1", tmp_path)
    # In one write: where output is not buffered, print's end of line is another, and those of two ranks may mix.
    line = "import os; os.write(1, '{RANK} {WORLD_SIZE} {OMP_NUM_THREADS}\\n'.format(**os.environ).encode())"
    (tmp_path / "say_rank.py").write_text(line)
    launcher = LocalLauncher(settings, command=(str(tmp_path / "say_rank.py"),))
    job = Assignment("run-1", 1, threads=3, placement=Placement(processes_per_node=2))
    launch = launcher.prepare(job)
    launcher.begin(job, launch)
    until(lambda: ended(launcher, launch))
    assert sorted(line for line in printed(launcher, launch).splitlines() if line[0].isdigit()) == ["0 2 3", "1 2 3"]


@pytest.mark.parametrize(("mark", "verdict"), [("", Verdict.HOPELESS), (PASSING, Verdict.CRASHED)])
def test_last_words_leave_no_hope_unless_they_say_so(launchers: Launchers, mark: str, verdict: Verdict) -> None:
    code = f"import sys; open(sys.argv[-1], 'w').write('{mark}the bucket is gone\\n'); sys.exit(1)"
    launcher = launchers(code)
    launch = launcher.prepare(JOB)
    launcher.begin(JOB, launch)
    until(lambda: ended(launcher, launch))
    assert launcher.poll(launch) == Exit("could not go on: the bucket is gone", verdict)


def test_a_worker_that_cannot_be_started_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "run-1").write_text("in the way of the folder")
    settings = WorkerSettings("store", "trainer:1", "policy:1", "reward:1", "reference:1", tmp_path)
    with pytest.raises(LaunchRefused, match=r"the worker could not be started: .*run-1"):
        LocalLauncher(settings).prepare(JOB)
