"""Runs through a real control plane over gRPC, with workers that need no model."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from rlhf.v1 import trainer_pb2 as pb

from tests.unit.trainer.control_planes import connected, control_plane, sft

SLOW = {"steps": 10_000, "seconds": 0.02}


async def test_a_run_is_launched_reports_and_succeeds(folder: Path) -> None:
    async with control_plane(folder) as stubs:
        run = await stubs.create()
        events = await stubs.events(run.id)
        done = (await stubs.runs.GetRun(pb.GetRunRequest(run_id=run.id))).run
    assert [e.step.step for e in events if e.HasField("step")] == [1, 2, 3, 4]
    assert [e.event for e in events] == sorted({e.event for e in events})
    assert events[-1].run.state == done.state == pb.RUN_STATE_SUCCEEDED
    assert (done.attempt, done.step, done.total_steps) == (1, 4, 4)
    assert done.results[0].model_version.model == "made"
    assert done.results[0].metrics["loss"] == 0.5
    assert done.finished_at.ToNanoseconds() > done.created_at.ToNanoseconds()


async def test_an_accepted_spec_is_complete_and_pinned(folder: Path) -> None:
    async with control_plane(folder) as stubs:
        spec = (await stubs.create()).spec
    assert spec.sft.base_model.startswith("base@1.0-")
    assert spec.sft.dataset.startswith("demos@")
    assert spec.sft.optimization.batch_size > 0


async def test_what_nobody_would_read_is_refused_with_all_other_problems(folder: Path) -> None:
    """A field of PPO's that PPO does not read, one that only a newer service knows, and a dataset that is not there."""
    ppo = pb.PpoSpec(policy_model="base", prompts="nowhere", optimization=pb.Optimization(epochs=3))
    ppo.MergeFromString(b"\xb8\x3e\x07")  # field 999
    async with control_plane(folder) as stubs:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stubs.create(pb.RunSpec(name="x", ppo=ppo))
        assert not (await stubs.runs.ListRuns(pb.ListRunsRequest())).runs
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    said = raised.value.details() or ""
    for part in ("spec.ppo.optimization.epochs: got 3", "field number 999", "spec.ppo.prompts: got 'nowhere'"):
        assert part in said


async def test_the_same_request_makes_one_run_also_after_a_restart(folder: Path) -> None:
    async with control_plane(folder) as stubs:
        first, second = await asyncio.gather(*(stubs.create(sft(), "please") for _ in range(2)))
    async with control_plane(folder) as stubs:
        third = await stubs.create(sft(), "please")
        listed = (await stubs.runs.ListRuns(pb.ListRunsRequest())).runs
    assert first.id == second.id == third.id
    assert [run.id for run in listed] == [first.id]


async def test_the_same_request_with_another_spec_is_refused(folder: Path) -> None:
    async with control_plane(folder) as stubs:
        await stubs.create(sft(), "please")
        other = sft()
        other.seed = 1
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stubs.create(other, "please")
    assert raised.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert "request 'please' made run run-" in (raised.value.details() or "")


async def test_an_unknown_run_is_not_found_and_the_others_are_named(folder: Path) -> None:
    async with control_plane(folder) as stubs:
        run = await stubs.create()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stubs.runs.GetRun(pb.GetRunRequest(run_id="run-9"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert raised.value.details() == f"no run 'run-9'; there are {run.id}"


async def test_cancel_stops_the_worker_and_resume_goes_on_from_its_checkpoint(folder: Path) -> None:
    async with control_plane(folder, SLOW) as stubs:
        run = await stubs.create()
        async for event in stubs.runs.WatchRun(pb.WatchRunRequest(run_id=run.id)):
            if event.step.step >= 4:
                break
        cancelled = (await stubs.runs.CancelRun(pb.CancelRunRequest(run_id=run.id))).run
        again = (await stubs.runs.CancelRun(pb.CancelRunRequest(run_id=run.id))).run
        await stubs.logs(run.id, follow=True)  # ends when the worker is gone
        resumed = (await stubs.runs.ResumeRun(pb.ResumeRunRequest(run_id=run.id))).run
        async for event in stubs.runs.WatchRun(pb.WatchRunRequest(run_id=run.id)):
            if event.step.step and event.run.attempt == 2:
                break
    assert cancelled.state == again.state == pb.RUN_STATE_CANCELLED
    assert (resumed.state, resumed.attempt) == (pb.RUN_STATE_QUEUED, 2)
    assert event.step.step > 4
    assert event.step.step % 2 == 1, "the step after a checkpoint, which comes every second step"


async def test_only_runs_that_ended_unfinished_are_resumed(folder: Path) -> None:
    async with control_plane(folder) as stubs:
        run = await stubs.create()
        await stubs.events(run.id)
        for call, request in (
            (stubs.runs.ResumeRun, pb.ResumeRunRequest(run_id=run.id)),
            (stubs.runs.CancelRun, pb.CancelRunRequest(run_id=run.id)),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="succeeded") as raised:
                await call(request)
            assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_watching_goes_on_after_an_event_also_after_a_restart(folder: Path) -> None:
    async with control_plane(folder) as stubs:
        run = await stubs.create()
        live = await stubs.events(run.id)
    async with control_plane(folder) as stubs:
        assert [e.event for e in await stubs.events(run.id)] == [e.event for e in live]
        assert [e.event for e in await stubs.events(run.id, live[3].event)] == [e.event for e in live[4:]]
        assert await stubs.events(run.id, live[-1].event) == []


async def test_a_stop_does_not_look_like_the_end_of_a_run(folder: Path) -> None:
    """A watcher has to know that it should come back."""
    async with AsyncExitStack() as outlives:
        async with control_plane(folder, SLOW) as stubs:
            run = await stubs.create()
            watcher = await outlives.enter_async_context(connected(stubs.address))
            watching = asyncio.create_task(watcher.events(run.id))
            await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watching
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "can be taken up again" in (raised.value.details() or "")


async def test_logs_can_be_followed_before_there_is_a_worker(folder: Path) -> None:
    async with control_plane(folder, {"steps": 8, "seconds": 0.1}, max_running=1) as stubs:
        await stubs.create()
        waiting = await stubs.create()
        text = await stubs.logs(waiting.id, follow=True)
    assert waiting.state == pb.RUN_STATE_QUEUED
    assert waiting.reason in ("", "waits for a place: 1 of at most 1 runs are under way")
    assert text.splitlines() == [f"sft step {n} of attempt 1" for n in range(1, 9)]


async def test_workers_of_unknown_or_old_attempts_are_told_to_stop(folder: Path) -> None:
    async with control_plane(folder, SLOW) as stubs:
        run = await stubs.create()
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        current = await stubs.workers.ReportProgress(pb.ReportProgressRequest(run_id=run.id, attempt=1))
        old = await stubs.workers.ReportProgress(pb.ReportProgressRequest(run_id=run.id, attempt=0))
        step = pb.StepMetrics(stage="dpo", step=1)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stubs.workers.ReportProgress(pb.ReportProgressRequest(run_id=run.id, attempt=1, step=step))
    assert (current.stop, old.stop) == (False, True)
    assert "step.stage: got 'dpo', expected one of sft" in (raised.value.details() or "")
