"""Retries: only where nothing is done twice, as late as the service asks, and never without end."""

import time
from collections.abc import Callable

import pytest
import rlhf
from rlhf import retries
from rlhf.retries import Retries

from services.runtime.errors import NotReady, Overloaded

from .scripted_server import Script, gone, raising, slow


def test_unavailable_twice_then_answered(client: rlhf.Client, script: Script) -> None:
    script.faults["Generate"] = [gone(), raising(NotReady("loading", 0.05))]
    assert client.policy.generate("a")[0].text == "answer 0.0"
    assert script.calls("Generate") == 3


def test_what_may_not_happen_twice_is_not_repeated_after_a_break(client: rlhf.Client, script: Script) -> None:
    script.faults["Promote"] = [gone()]
    with pytest.raises(rlhf.ConnectionFailedError):
        client.models.promote("a@1", "policy/default")
    assert script.calls("Promote") == 1


def test_a_refusal_is_repeated_whatever_the_call_for_no_work_was_done(client: rlhf.Client, script: Script) -> None:
    script.faults["Promote"] = [raising(Overloaded("full", 0.2))]
    started = time.monotonic()
    assert client.models.promote("a@1", "policy/default").version == "1.3-aa"
    assert time.monotonic() - started >= 0.2, "asked again before the service wanted"


def test_create_run_is_repeated_under_one_request_id(client: rlhf.Client, script: Script) -> None:
    script.faults["CreateRun"] = [gone()]
    client.runs.create(rlhf.Sft(base_model="m", dataset="d"), name="n")
    first, second = script.requests["CreateRun"]
    assert first.request_id == second.request_id != ""


def test_an_overload_that_lasts_is_reported_within_the_timeout(client: rlhf.Client, script: Script) -> None:
    script.faults["Score"] = [raising(Overloaded("queue full", 0.2))] * 20
    started = time.monotonic()
    with pytest.raises(rlhf.OverloadedError, match="queue full") as caught:
        client.reward.score([("q", "a")], timeout=0.7)
    assert time.monotonic() - started < 0.8
    assert caught.value.retry_after == 0.2
    assert 2 <= script.calls("Score") <= 4


def test_a_slow_call_ends_at_its_timeout(client: rlhf.Client, script: Script) -> None:
    script.faults["Generate"] = [slow(5)]
    started = time.monotonic()
    with pytest.raises(rlhf.DeadlineError, match="policy at"):
        client.policy.generate("a", timeout=0.3)
    assert time.monotonic() - started < 2
    assert script.calls("Generate") == 1


def test_a_stream_that_has_begun_is_not_started_again(client: rlhf.Client, script: Script) -> None:
    script.faults["GenerateStream"] = [gone()]
    assert len(list(client.policy.stream("a"))) == 2, "nothing had come yet, so it was asked again"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr(retries.time, "monotonic", lambda: now[0])

    def go_on(seconds: float) -> None:
        now[0] += seconds

    return go_on


def test_blind_retries_are_few(clock: Callable[[float], None]) -> None:
    plan = Retries(timeout=600, repeatable=True, started=0.0)
    delays = [plan.delay_after(rlhf.ConnectionFailedError("gone")) for _ in range(4)]
    assert 1.2 < sum(delays) < 4, "longer than a channel waits before it connects again, and still soon"
    with pytest.raises(rlhf.ConnectionFailedError):
        plan.delay_after(rlhf.ConnectionFailedError("gone"))


def test_patience_counts_from_the_first_trouble_and_starts_over_after_an_answer(clock: Callable[[float], None]) -> None:
    plan = Retries(timeout=None, repeatable=True, patience=60, started=0.0)
    error = rlhf.ConnectionFailedError("gone")
    for _ in range(5):
        clock(10)
        assert plan.delay_after(error) <= 5
    plan.succeeded()
    clock(50)
    plan.delay_after(error)
    clock(61)
    with pytest.raises(rlhf.ConnectionFailedError):
        plan.delay_after(error)


def test_a_quiet_stream_is_opened_again_as_long_as_there_is_time(clock: Callable[[float], None]) -> None:
    plan = Retries(timeout=2000, repeatable=True, patience=60, started=0.0)
    for _ in range(3):
        clock(600)
        assert plan.delay_after(rlhf.DeadlineError("quiet")) == 0.0
    clock(200)
    with pytest.raises(rlhf.DeadlineError):
        plan.delay_after(rlhf.DeadlineError("quiet"))


def test_a_refusal_without_a_hint_is_final(clock: Callable[[float], None]) -> None:
    """E.g. a message larger than the service takes: it would be refused again."""
    with pytest.raises(rlhf.OverloadedError):
        Retries(timeout=60, repeatable=True, started=0.0).delay_after(rlhf.OverloadedError("too large"))
