"""What becomes of a run whose worker dies, hangs, fails or has to wait."""

import time
from pathlib import Path

import psutil
from rlhf.v1 import trainer_pb2 as pb

from services.storage.location import open_store
from services.trainer.records import read_record
from tests.unit.trainer.control_planes import control_plane, pipeline, sft

SLOW = {"steps": 10_000, "seconds": 0.02}


def steps(events: list[pb.WatchRunResponse]) -> list[tuple[int, str, int]]:
    """(attempt, stage, step)"""
    return [(e.run.attempt, e.step.stage, e.step.step) for e in events if e.HasField("step")]


async def test_a_killed_worker_gets_another_attempt_from_its_checkpoint(folder: Path) -> None:
    async with control_plane(folder, {"steps": 6, "die_at": 5}) as stubs:
        run = await stubs.create()
        events = await stubs.events(run.id)
        again = await stubs.events(run.id)
        text = await stubs.logs(run.id)
    reasons = {e.run.reason for e in events if e.run.attempt == 2 and e.run.state != pb.RUN_STATE_SUCCEEDED}
    assert reasons == {
        "the worker of attempt 1 was killed (SIGKILL), perhaps because memory ran out; it printed last:\n"
        + "\n".join(f"sft step {n} of attempt 1" for n in range(1, 6))
    }
    assert steps(again) == [(1, "sft", n) for n in range(1, 5)] + [(2, "sft", 5), (2, "sft", 6)]
    assert events[-1].run.state == pb.RUN_STATE_SUCCEEDED
    assert "sft step 5 of attempt 1\nsft step 5 of attempt 2\n" in text


async def test_a_pipeline_goes_on_in_the_stage_that_was_under_way(folder: Path) -> None:
    spec = pipeline(
        one=pb.SftSpec(base_model="base", dataset="demos"), two=pb.SftSpec(base_model="stage:one", dataset="demos")
    )
    async with control_plane(folder, {"steps": 3, "die_at": 3, "deaths": 1}) as stubs:
        run = await stubs.create(spec)
        await stubs.events(run.id)
        done = await stubs.until(run.id, pb.RUN_STATE_SUCCEEDED)
        again = await stubs.events(run.id)
    assert [result.stage for result in done.results] == ["one", "two"]
    assert steps(again) == [(1, "one", 1), (1, "one", 2), (2, "one", 3), (2, "two", 1), (2, "two", 2), (2, "two", 3)]


async def test_after_three_deaths_a_run_has_failed_and_can_be_resumed(folder: Path) -> None:
    async with control_plane(folder, {"die_at": 3, "deaths": 3, "signal": "SIGSEGV"}) as stubs:
        run = await stubs.create()
        failed = (await stubs.events(run.id))[-1].run
        await stubs.runs.ResumeRun(pb.ResumeRunRequest(run_id=run.id))
        done = await stubs.until(run.id, pb.RUN_STATE_SUCCEEDED)
    assert failed.state == pb.RUN_STATE_FAILED
    assert failed.reason.startswith("given up after 3 attempts: the worker of attempt 3 was killed by SIGSEGV; it")
    assert failed.attempt == 3
    assert done.attempt == 4


async def test_a_worker_that_says_why_it_failed_is_believed(folder: Path) -> None:
    async with control_plane(folder, {"error": "a prompt is longer than the context", "steps": 0}) as stubs:
        spec = pipeline(one=pb.SftSpec(base_model="base", dataset="demos"))
        run = await stubs.create(spec)
        done = (await stubs.events(run.id))[-1].run
    assert done.state == pb.RUN_STATE_SUCCEEDED, "every stage has its result, whatever was said afterwards"
    async with control_plane(folder, {"error": "a prompt is longer than the context", "fail_at": 2}) as stubs:
        run = await stubs.create()
        failed = (await stubs.events(run.id))[-1].run
    assert (failed.state, failed.attempt) == (pb.RUN_STATE_FAILED, 1)
    assert failed.reason == "a prompt is longer than the context"


async def test_a_silent_worker_is_killed_and_replaced(folder: Path) -> None:
    async with control_plane(folder, {"silent_at": 3}, heartbeat_seconds=3.0) as stubs:
        run = await stubs.create()
        events = await stubs.events(run.id)
    assert "was silent for 3 s and was killed" in events[-1].run.reason + "".join(e.run.reason for e in events)
    assert events[-1].run.state == pb.RUN_STATE_SUCCEEDED
    assert events[-1].run.attempt == 2


async def test_a_worker_that_never_says_a_word_is_given_longer(folder: Path) -> None:
    limits = {"heartbeat_seconds": 0.1, "start_seconds": 0.5, "max_attempts": 1}
    async with control_plane(folder, {"seconds": 600}, **limits) as stubs:
        run = await stubs.create()
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    running = failed.finished_at.ToNanoseconds() - failed.created_at.ToNanoseconds()
    assert "was silent" in failed.reason
    assert running >= 0.5e9


async def test_runs_wait_for_a_place(folder: Path) -> None:
    async with control_plane(folder, {"steps": 20, "seconds": 0.05}, max_running=1) as stubs:
        first = await stubs.create()
        await stubs.until(first.id, pb.RUN_STATE_RUNNING)
        second = await stubs.create(sft())
        before = (await stubs.runs.GetRun(pb.GetRunRequest(run_id=second.id))).run
        await stubs.until(second.id, pb.RUN_STATE_RUNNING)
        first_then = (await stubs.runs.GetRun(pb.GetRunRequest(run_id=first.id))).run
    assert before.state == pb.RUN_STATE_QUEUED
    assert before.reason == "waits for a place: 1 of at most 1 runs are under way"
    assert first_then.state == pb.RUN_STATE_SUCCEEDED


async def test_stopping_the_services_stops_workers_and_the_next_start_goes_on(folder: Path) -> None:
    async with control_plane(folder, SLOW) as stubs:
        run = await stubs.create()
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        pid = read_record(open_store(str(folder / "store")), run.id).launch["pid"]
    assert not psutil.pid_exists(pid)
    async with control_plane(folder, {"steps": 4}) as stubs:
        done = (await stubs.events(run.id))[-1].run
    assert (done.state, done.attempt) == (pb.RUN_STATE_SUCCEEDED, 2)


async def test_a_finished_run_leaves_neither_checkpoints_nor_a_work_folder(folder: Path) -> None:
    async with control_plane(folder, retention_seconds=0.0) as stubs:
        run = await stubs.create()
        await stubs.events(run.id)
        store, deadline = open_store(str(folder / "store")), time.monotonic() + 10
        while not read_record(store, run.id).pruned:
            assert time.monotonic() < deadline
            await stubs.until(run.id, pb.RUN_STATE_SUCCEEDED)
    left = [info.key for info in store.list(f"runs/{run.id}")]
    assert not [key for key in left if "checkpoints" in key]
    assert [key for key in left if "metrics" in key]
    assert not list((folder / "work").glob("*/*"))


async def test_an_attempt_that_takes_longer_than_its_deadline_is_the_last(folder: Path) -> None:
    spec = sft()
    spec.deadline_seconds = 3  # a worker on a busy machine has done a step by then
    async with control_plane(folder, SLOW) as stubs:
        run = await stubs.create(spec)
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
        steps_done = len(steps(await stubs.events(run.id)))
    assert failed.reason.startswith("the worker of attempt 1 took longer than its deadline of 3 s")
    assert failed.attempt == 1
    assert steps_done > 0


async def test_what_happened_is_told_in_order(folder: Path) -> None:
    async with control_plane(folder, {"steps": 6, "die_at": 5}) as stubs:
        run = await stubs.create()
        await stubs.events(run.id)
        told = await stubs.happenings(run.id)
    assert [(e.attempt, e.reason) for e in told] == [
        (1, "Queued"),
        (1, "Running"),
        (2, "Queued"),
        (2, "Running"),
        (2, "Succeeded"),
    ]
    assert told[2].message.startswith("attempt 2 goes on from step 4 of stage sft: the worker of attempt 1 was killed")
    assert [e.at.ToNanoseconds() for e in told] == sorted(e.at.ToNanoseconds() for e in told)


async def test_a_run_that_waits_for_a_place_says_nothing_of_it_once_it_runs(folder: Path) -> None:
    async with control_plane(folder, {"steps": 20, "seconds": 0.05}, max_running=1) as stubs:
        first, second = await stubs.create(), await stubs.create()
        await stubs.until(first.id, pb.RUN_STATE_SUCCEEDED)
        running = await stubs.until(second.id, pb.RUN_STATE_RUNNING)
        told = await stubs.happenings(second.id)
    assert running.reason == ""
    assert [(event.reason, event.message) for event in told[:3]] == [
        ("Queued", "the run was accepted"),
        ("Waiting", "waits for a place: 1 of at most 1 runs are under way"),
        ("Running", "the worker runs"),
    ]
