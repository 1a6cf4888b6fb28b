import time
from pathlib import Path

import pytest

from services.storage import open_store
from services.trainer import attempts
from services.trainer.attempts import Attempt, Step
from services.trainer.worker import attempt as module
from services.trainer.worker.attempt import LiveAttempt, Stopped
from tests.conftest import wait_until


@pytest.fixture
def objects(tmp_path: Path) -> Attempt:
    return Attempt(open_store(str(tmp_path)), "run-1", 1)


def record(objects: Attempt, **values: object) -> None:
    attempts.write_json(objects.store, attempts.record_key(objects.run_id), values)


def steps(objects: Attempt, stage: str) -> list[int]:
    return [step.step for step in objects.steps(stage)]


def test_a_newer_attempt_fences_this_one(objects: Attempt) -> None:
    with LiveAttempt(objects) as live:
        live.check()
        record(objects, attempt=1, state="running")
        live.check()
        record(objects, attempt=2, state="running")
        with pytest.raises(Stopped, match="superseded by attempt 2"):
            live.check()


def test_a_cancelled_run_stops_without_the_control_plane(objects: Attempt) -> None:
    record(objects, attempt=1, state="cancelled")
    with LiveAttempt(objects) as live, pytest.raises(Stopped, match="cancelled"):
        live.check()


def test_the_control_planes_answer_stops_it(objects: Attempt) -> None:
    with LiveAttempt(objects, send=lambda step: True) as live:
        live.report(Step("sft", 1, 10, {}))
        wait_until(lambda: bool(live._stop_reason), seconds=5)
        with pytest.raises(Stopped, match="control plane"):
            live.check()


def test_steps_reach_the_watcher_in_order_and_storage_for_keeps(objects: Attempt) -> None:
    sent: list[Step | None] = []
    with LiveAttempt(objects, send=lambda step: bool(sent.append(step))) as live:
        for number in range(1, 4):
            live.report(Step("sft", number, 3, {"loss": 1 / number}))
        live.report(Step("dpo", 1, 9, {"loss": 0.5}))
        live.finish(attempts.SUCCEEDED)
    assert [(step.stage, step.step) for step in sent if step] == [("sft", 1), ("sft", 2), ("sft", 3), ("dpo", 1)]
    assert steps(objects, "sft") == [1, 2, 3]
    assert steps(objects, "dpo") == [1]
    status = objects.status()
    assert status is not None
    assert (status.state, status.stage, status.step, status.total_steps) == ("succeeded", "dpo", 1, 9)


def test_metrics_are_written_while_it_runs(objects: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.0)
    with LiveAttempt(objects) as live:
        live.report(Step("sft", 1, 2, {}))
        assert steps(objects, "sft") == [1]


def test_a_control_plane_that_hangs_holds_nothing_up(objects: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a step nor the end: 50 undelivered steps of a second each are not worth waiting for."""
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.2)
    started = time.monotonic()
    with LiveAttempt(objects, send=lambda step: bool(time.sleep(1))) as live:
        for number in range(50):
            live.report(Step("sft", number, 50, {}))
            live.check()
        assert time.monotonic() - started < 2
    assert time.monotonic() - started < 5


def test_the_heartbeat_goes_on_during_a_long_step(objects: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)
    beats: list[Step | None] = []
    with LiveAttempt(objects, send=lambda step: bool(beats.append(step))):
        first = objects.status()
        assert first is not None
        wait_until(lambda: (objects.status() or first).heartbeat > first.heartbeat, seconds=5)
        wait_until(lambda: beats.count(None) > 2, seconds=5)


def test_a_crash_leaves_the_state_running_for_the_control_plane_to_judge(objects: Attempt) -> None:
    with pytest.raises(ZeroDivisionError), LiveAttempt(objects):
        _ = 1 / 0
    status = objects.status()
    assert status is not None
    assert status.state == "running"
