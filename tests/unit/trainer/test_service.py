"""The control plane as a process that is killed while a worker works."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from rlhf.v1 import trainer_pb2 as pb

from services.storage.location import open_store
from services.trainer.attempts import Attempt, Base
from services.trainer.launching import absolute
from services.trainer.records import RunRecord, read_record
from services.trainer.settings import TrainerSettings
from tests.unit.trainer.control_planes import Stubs, connected, control_plane

CONTROL_PLANE = [sys.executable, "-m", "tests.unit.trainer.control_planes"]
ROOT = Path(__file__).parents[3]


@contextmanager
def process(folder: Path, plan: dict, **flags: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A control plane and its address; workers are left alone when it ends."""
    given = {"storage": str(folder / "store"), "cache": str(folder / "cache"), "work-dir": str(folder / "work")}
    given |= {"port": "0", "metrics-port": "0", "drain-seconds": "2", **flags}
    command = [*CONTROL_PLANE, json.dumps(plan), *(f"--{name}={value}" for name, value in given.items())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as running:
        assert running.stdout is not None
        try:
            yield running, running.stdout.readline().split()[2]
        finally:
            running.kill()


def record(folder: Path, run_id: str) -> RunRecord:
    return read_record(open_store(str(folder / "store")), run_id)


def alive(record: RunRecord) -> bool:
    """Nobody may have asked yet how an orphan ended."""
    assert record.launch is not None
    pid = record.launch["pid"]
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def until_step(stubs: Stubs, run_id: str, step: int) -> list[int]:
    """The steps that a watcher saw up to there."""
    seen = []
    async for event in stubs.runs.WatchRun(pb.WatchRunRequest(run_id=run_id), timeout=90):
        seen += [event.step.step] if event.HasField("step") else []
        if seen and seen[-1] >= step:
            break
    return seen


async def test_a_worker_outlives_the_control_plane_and_is_adopted(folder: Path) -> None:
    plan = {"steps": 60, "seconds": 0.05}
    with process(folder, plan) as (first, address):
        async with connected(address) as stubs:
            run = await stubs.create()
            await until_step(stubs, run.id, 3)
            first.send_signal(signal.SIGKILL)
            first.wait()
    assert alive(record(folder, run.id))
    await asyncio.sleep(0.5)  # steps that no control plane hears of
    with process(folder, plan, port=address.rsplit(":", 1)[1]) as (_, again):
        async with connected(again) as stubs:
            adopted = (await stubs.runs.GetRun(pb.GetRunRequest(run_id=run.id), wait_for_ready=True, timeout=60)).run
            steps = [e.step.step for e in await stubs.events(run.id) if e.HasField("step")]
            done = await stubs.until(run.id, pb.RUN_STATE_SUCCEEDED)
            text = await stubs.logs(run.id)
            happened = [(event.reason, event.message) for event in await stubs.happenings(run.id)]
    assert happened[1:] == [
        ("Running", "the worker runs"),
        ("Adopted", "the trainer came back and found the worker alive"),
        ("Succeeded", "every stage is finished"),
    ]
    assert (adopted.state, adopted.attempt, done.attempt) == (pb.RUN_STATE_RUNNING, 1, 1)
    assert steps == list(range(1, 61)), "also those that were made while nobody listened"
    assert text.count("of attempt 1\n") == 60


async def test_a_worker_that_died_while_nobody_looked_is_replaced(folder: Path) -> None:
    plan = {"steps": 6, "seconds": 0.3}
    with process(folder, plan) as (first, address):
        async with connected(address) as stubs:
            run = await stubs.create()
            await until_step(stubs, run.id, 2)
            first.send_signal(signal.SIGKILL)
            first.wait()
    os.kill((record(folder, run.id).launch or {})["pid"], signal.SIGKILL)
    async with control_plane(folder, {"steps": 6}) as stubs:
        await stubs.events(run.id)  # may still see a step that is then done again
        events = await stubs.events(run.id)
    assert any("ended without a last word" in e.run.reason for e in events)
    assert [e.step.step for e in events if e.HasField("step")] == [1, 2, 3, 4, 5, 6]
    assert events[-1].run.state == pb.RUN_STATE_SUCCEEDED


async def test_sigterm_leaves_workers_alone_unless_told_otherwise(folder: Path) -> None:
    with process(folder, {"steps": 200, "seconds": 0.05}) as (first, address):
        async with connected(address) as stubs:
            run = await stubs.create()
            await until_step(stubs, run.id, 1)
            first.terminate()
            assert first.wait() == 0
    left = record(folder, run.id)
    assert left.state == "running"
    assert alive(left)
    async with control_plane(folder) as stubs:
        await stubs.runs.CancelRun(pb.CancelRunRequest(run_id=run.id))
        await stubs.logs(run.id, follow=True)  # until the worker is gone
    assert not alive(left)


async def test_a_run_is_rebuilt_from_storage_alone(folder: Path) -> None:
    async with control_plane(folder, {"steps": 3}) as stubs:
        run = await stubs.create()
        done = (await stubs.events(run.id))[-1].run
    async with control_plane(folder) as stubs:
        again = (await stubs.runs.GetRun(pb.GetRunRequest(run_id=run.id))).run
        listed = (await stubs.runs.ListRuns(pb.ListRunsRequest())).runs
    assert again == done
    assert list(listed) == [done]
    assert Attempt(open_store(str(folder / "store")), run.id, 1).base() == Base()


def test_bad_settings_are_told_all_at_once() -> None:
    command = [sys.executable, "-m", "services.trainer", "--max-running", "0", "--no-such", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "storage: got nothing, expected a folder, file:///folder or s3://bucket/prefix" in done.stderr
    assert "max_running: got 0, expected a number above 0" in done.stderr
    assert "--no-such" in done.stderr


@pytest.mark.full
async def test_everything_works_on_s3(folder: Path, s3_url: str) -> None:
    local, remote = open_store(str(folder / "store")), open_store(s3_url)
    for info in local.list():
        remote.put(info.key, local.get(info.key))
    async with control_plane(folder, {"steps": 5, "die_at": 4}, storage=s3_url) as stubs:
        run = await stubs.create()
        events = await stubs.events(run.id)
        text = await stubs.logs(run.id)
    assert events[-1].run.state == pb.RUN_STATE_SUCCEEDED
    assert events[-1].run.attempt == 2
    assert "sft step 5 of attempt 2\n" in text


@pytest.mark.parametrize("url", ["s3://bucket/prefix?endpoint=http://x", "file:///data"])
def test_a_url_means_the_same_everywhere(url: str) -> None:
    assert absolute(url) == url


def test_a_relative_folder_is_made_absolute() -> None:
    assert absolute("build/storage") == str(Path("build/storage").absolute())


def test_nobody_listens_beyond_loopback_by_default() -> None:
    assert TrainerSettings(storage="x").host == TrainerSettings(storage="x").metrics_host == "127.0.0.1"
