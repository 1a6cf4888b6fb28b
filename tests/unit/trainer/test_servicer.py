"""Runs through a real control plane over gRPC."""

from pathlib import Path

import pytest
from rlhf.v1 import trainer_pb2 as pb

from tests.unit.trainer.control_planes import control_plane, stock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stock(tmp_path)
    return tmp_path


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
