"""What tests of runs on a cluster share: control planes over the small API server, and waiting for what they do."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from rlhf.v1 import trainer_pb2 as pb

from services.storage.location import open_store
from services.trainer.attempts import Attempt, StageOutcome
from tests.unit.trainer.control_planes import Stubs
from tests.unit.trainer.launchers.controllers import Controllers

PATIENT = {"room_seconds": 600.0, "repair_seconds": 600.0}
IMPATIENT = {"room_seconds": 0.0, "repair_seconds": 0.0}
ControlPlane = Callable[..., AbstractAsyncContextManager[Stubs]]


async def until_job(controllers: Controllers, run: pb.Run, attempt: int = 1) -> str:
    name = f"{run.id}-a{attempt}"
    await eventually(lambda: name in controllers.jobs())
    return name


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def until_reason(stubs: Stubs, run: pb.Run, words: str) -> pb.Run:
    deadline = time.monotonic() + 20
    while words not in (now := (await stubs.runs.GetRun(pb.GetRunRequest(run_id=run.id))).run).reason:
        assert time.monotonic() < deadline, now.reason
        await asyncio.sleep(0.05)
    return now


def finish(folder: Path, run: pb.Run, attempt: int = 1) -> None:
    """What a worker leaves that has done everything."""
    outcome = StageOutcome("sft", "made", "1.4-00000000", "d" * 64, {"loss": 0.5})
    Attempt(open_store(str(folder / "store")), run.id, attempt).write_outcome(outcome)
