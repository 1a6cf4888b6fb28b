import asyncio
from pathlib import Path

from services.storage.location import open_store
from services.trainer.attempts import Attempt, Base, Step
from services.trainer.events import EventLog, rebuild
from services.trainer.records import RunRecord, RunState, Transition

STAGES = ["sft", "ppo"]
FIRST = Transition(1, RunState.QUEUED, "", 1.0)
RUNNING = Transition(1, RunState.RUNNING, "", 2.0)
AGAIN = Transition(2, RunState.QUEUED, "it died", 3.0)
RUNNING_AGAIN = Transition(2, RunState.RUNNING, "it died", 4.0)
DONE = Transition(2, RunState.SUCCEEDED, "", 5.0)


def step(number: int, stage: str = "sft") -> Step:
    return Step(stage, number, 9, {"loss": 1.0})


def steps(log: EventLog) -> list[tuple[int, str, int]]:
    """(attempt, stage, step)"""
    return [(e.transition.attempt, e.step.stage, e.step.step) for e in log.after(0) if e.step]


def live_log() -> EventLog:
    """Attempt 1 came to step 5, its last checkpoint was at 3."""
    log = EventLog(STAGES)
    log.add_transition(FIRST)
    log.add_transition(RUNNING)
    for number in range(1, 6):
        log.add_step(RUNNING, step(number))
    log.supersede(Base(1, "sft", 3))
    log.add_transition(AGAIN)
    log.add_transition(RUNNING_AGAIN)
    for number in range(4, 10):
        log.add_step(RUNNING_AGAIN, step(number))
    log.add_step(RUNNING_AGAIN, step(1, "ppo"))
    log.add_transition(DONE)
    return log


def test_ids_count_up_over_steps_stages_and_attempts() -> None:
    ids = [event.id for event in live_log().after(0)]
    assert ids == sorted(set(ids))
    assert ids[0] > 0


def test_steps_that_were_done_again_count_once() -> None:
    done_again = [(2, "sft", n) for n in range(4, 10)] + [(2, "ppo", 1)]
    assert steps(live_log()) == [(1, "sft", 1), (1, "sft", 2), (1, "sft", 3), *done_again]


def test_a_restarted_control_plane_gives_the_same_events(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    first, second = Attempt(store, "run-1", 1), Attempt(store, "run-1", 2)
    first.write_base(Base())
    first.write_steps([step(n) for n in range(1, 6)])
    second.write_base(Base(1, "sft", 3))
    second.write_steps([step(n) for n in range(4, 10)])
    second.write_steps([step(1, "ppo")])
    record = RunRecord("run-1", "", 0.0, (FIRST, RUNNING, AGAIN, RUNNING_AGAIN, DONE))
    log = rebuild(store, record, STAGES)
    assert log.after(0) == live_log().after(0)
    assert log.closed


def test_a_watcher_goes_on_after_the_event_it_saw() -> None:
    log = live_log()
    seen = log.after(0)[6]
    assert log.after(seen.id) == log.after(0)[7:]


def test_an_event_told_twice_is_kept_once() -> None:
    log = EventLog(STAGES)
    log.add_step(RUNNING, step(1))
    log.add_step(RUNNING, step(1))
    assert len(log.after(0)) == 1


async def test_following_waits_for_what_comes_and_ends_with_the_run() -> None:
    log, seen = EventLog(STAGES), []
    log.add_transition(FIRST)

    async def watch() -> None:
        async for event in log.follow(0):
            seen.append(event)

    watcher = asyncio.create_task(watch())
    for transition, number in ((RUNNING, 1), (RUNNING, 2)):
        await asyncio.sleep(0)
        log.add_step(transition, step(number))
    log.add_transition(DONE)
    await asyncio.wait_for(watcher, 1)
    assert seen == log.after(0)
    assert len(seen) == 4


def test_a_run_that_waits_for_one_thing_after_another_tells_each() -> None:
    log = EventLog(STAGES)
    waits = [Transition(1, RunState.QUEUED, why, 1.0) for why in ("", "for a place", "for a node")]
    for transition in (*waits, RUNNING):
        log.add_transition(transition)
    log.add_step(RUNNING, step(1))
    assert [event.transition for event in log.after(0) if event.step is None] == [*waits, RUNNING]
    ids = [event.id for event in log.after(0)]
    assert ids == sorted(set(ids))
    assert log.after(ids[2])[0].transition == RUNNING


def test_a_worker_that_was_adopted_is_told_after_the_steps_before_it(tmp_path: Path) -> None:
    adopted = [Transition(1, RunState.RUNNING, "found alive", at, "sft", 5) for at in (3.0, 4.0)]
    log = EventLog(STAGES)
    for transition in (FIRST, RUNNING):
        log.add_transition(transition)
    for number in range(1, 6):
        log.add_step(RUNNING, step(number))
    seen = log.after(0)[-1].id
    for transition in adopted:
        log.add_transition(transition)
    log.add_step(adopted[-1], step(6))
    assert [event.step or event.transition for event in log.after(seen)] == [*adopted, step(6)]

    store = open_store(str(tmp_path))
    Attempt(store, "run-1", 1).write_steps([step(n) for n in range(1, 7)])
    record = RunRecord("run-1", "", 0.0, (FIRST, RUNNING, *adopted))
    assert [event.id for event in rebuild(store, record, STAGES).after(0)] == [event.id for event in log.after(0)]
