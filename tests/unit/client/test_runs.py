import threading
import time

import pytest
import rlhf

from .scripted_server import FAILED, RUNNING, SERVICES, Script, make_events, make_run, serving, slow

SPEC = rlhf.Sft(base_model="base", dataset="demos", epochs=2)


def test_create_sends_the_spec_and_returns_a_handle(client: rlhf.Client, script: Script) -> None:
    run = client.runs.create(SPEC, name="mine", seed=3, deterministic=True)
    request = script.requests["CreateRun"][0]
    assert (request.spec.name, request.spec.seed, request.spec.deterministic) == ("mine", 3, True)
    assert (request.spec.sft.dataset, request.spec.sft.optimization.epochs) == ("demos", 2)
    assert (run.id, run.state, run.done, run.finished_at) == ("r1", "queued", False, None)


def test_create_sends_where_the_worker_is_to_stand(client: rlhf.Client, script: Script) -> None:
    placement = rlhf.Placement(nodes=2, memory="4Gi", tolerations=(rlhf.Toleration("gpu"),), labels={"team": "a"})
    client.runs.create(SPEC, name="mine", placement=placement, deadline=60)
    client.runs.create(SPEC, name="mine")
    placed, unplaced = (request.spec for request in script.requests["CreateRun"])
    assert (placed.placement.nodes, placed.placement.memory, placed.deadline_seconds) == (2, "4Gi", 60)
    assert (placed.placement.tolerations[0].key, placed.placement.labels["team"]) == ("gpu", "a")
    assert not unplaced.HasField("placement")


def test_events_say_what_happened_when(client: rlhf.Client) -> None:
    first, last = client.runs.events("r1")
    assert (first.attempt, first.reason, first.message) == (1, "Queued", "the run was accepted")
    assert first.at.isoformat() == "1970-01-01T00:01:00+00:00"
    assert client.runs.get("r1").events() == [first, last]


def test_wait_brings_the_results(client: rlhf.Client, script: Script) -> None:
    script.events = make_events()
    run = client.runs.create(SPEC, name="mine")
    assert run.wait(timeout=10) is run
    assert (run.state, run.done) == ("succeeded", True)
    assert str(run.results["sft"].model) == "sft@1.3-aa"
    assert run.results["sft"].metrics == {"loss": 0.5}


def test_wait_tells_why_a_run_failed(client: rlhf.Client, script: Script) -> None:
    script.events = make_events(FAILED, "out of memory")
    with pytest.raises(rlhf.RunFailedError, match="r1 failed: out of memory") as caught:
        client.runs.get("r1").wait(timeout=10)
    assert (caught.value.reason, caught.value.run.state) == ("out of memory", "failed")


def test_wait_gives_up_at_its_timeout_and_says_where_the_run_is(client: rlhf.Client, script: Script) -> None:
    script.run = make_run(RUNNING, 1)
    script.faults["WatchRun"] = [slow(30)] * 9
    started = time.monotonic()
    with pytest.raises(rlhf.DeadlineError, match=r"r1 is still running \(sft 1/3\) after 0.4 s; it goes on"):
        client.runs.get("r1").wait(timeout=0.4)
    assert time.monotonic() - started < 3


def test_watch_goes_on_after_the_last_event_when_the_stream_breaks(client: rlhf.Client, script: Script) -> None:
    script.events, script.break_watch_after = make_events(), [3, 1]
    events = list(client.runs.watch("r1"))
    assert [event.event for event in events] == [10, 11, 21, 22, 23, 90]
    assert [request.after_event for request in script.requests["WatchRun"]] == [0, 21, 22]
    assert events[2].metrics == {"loss": 1.0}
    assert (events[2].stage, events[2].step, events[2].total_steps) == ("sft", 1, 3)
    assert events[0].metrics == {}
    assert events[0].run.state == "queued"


def test_a_stream_that_ends_before_the_run_does_is_taken_up_again(client: rlhf.Client, script: Script) -> None:
    script.events, script.break_watch_after, script.ends_cleanly = make_events(), [3], True
    assert [event.event for event in client.runs.watch("r1")] == [10, 11, 21, 22, 23, 90]


def test_watching_from_the_last_event_of_a_run_that_ended_ends_too(client: rlhf.Client, script: Script) -> None:
    script.events = make_events()
    assert list(client.runs.watch("r1", after_event=90)) == []
    assert script.calls("WatchRun") == 1


async def test_watch_goes_on_for_asyncio_too(address: str, script: Script) -> None:
    script.events, script.break_watch_after = make_events(), [2]
    async with rlhf.AsyncClient(trainer=address) as client:
        run = await client.runs.create(SPEC, name="mine")
        assert [event.event async for event in run.watch()] == [10, 11, 21, 22, 23, 90]
        script.break_watch_after = [4]
        assert (await run.wait(timeout=10)).state == "succeeded"


def test_logs_are_read_once_however_often_the_stream_breaks(client: rlhf.Client, script: Script) -> None:
    script.break_logs_after = [1, 2]
    assert "".join(client.runs.logs("r1", follow=True)) == "one\ntwo\nthree\n"
    assert script.calls("StreamLogs") == 3


def test_wait_survives_a_restart_of_the_control_plane(script: Script) -> None:
    script.faults["WatchRun"] = [slow(30)]
    with serving(script) as address:
        client = rlhf.Client(**dict.fromkeys(SERVICES, address))
        run, outcome = client.runs.get("r1"), []
        run.state = "running"
        waiter = threading.Thread(target=lambda: outcome.append(run.wait(timeout=20)))
        waiter.start()
        time.sleep(0.5)
    time.sleep(1)
    assert not outcome
    script.events = make_events()
    with serving(script, port=int(address.rsplit(":", 1)[1])):
        waiter.join(15)
    client.close()
    assert outcome
    assert outcome[0].state == "succeeded"
    assert script.calls("WatchRun") == 2


def test_cancel_resume_and_refresh_keep_the_handle_up_to_date(client: rlhf.Client, script: Script) -> None:
    run = client.runs.get("r1")
    assert run.cancel().state == run.state == "cancelled"
    run.resume()
    assert run.state == "queued"
    run.refresh()
    assert run.state == "succeeded"
    assert [r.id for r in client.runs.list()] == ["r1"]
