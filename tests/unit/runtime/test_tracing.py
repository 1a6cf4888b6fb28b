"""Spans in memory, over real calls between a client and a server."""

import asyncio
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.runtime import tracing
from services.runtime.channels import call, open_channel
from services.runtime.errors import Conflict
from services.runtime.logs import identify
from services.runtime.tracing import carried, span, start_tracing
from tests.log_lines import Lines, collected
from tests.spans import Spans
from tests.spans import collected as spans_collected


@pytest.fixture
def spans() -> Iterator[Spans]:
    with spans_collected() as spans:
        yield spans


def test_it_is_off_unless_somebody_says_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tracing.ENDPOINT, raising=False)
    start_tracing("test")
    with span("nothing"):
        assert tracing.outgoing() == []


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(Conflict, match=r"rlhf-services\[tracing\]"):
        start_tracing("test")


def test_a_span_in_another_thread_belongs_to_the_one_that_started_it(spans: Spans) -> None:
    def work() -> None:
        with span("part"):
            pass

    with span("step", step=3), ThreadPoolExecutor(1) as threads:
        threads.submit(carried(work)).result()
    step = spans.one("step")
    assert spans.parent(spans.one("part")) is step
    assert dict(step.attributes or {}) == {"step": 3}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    monkeypatch.setattr("services.runtime.logs._process", {})
    with collected() as lines:
        yield lines


async def test_a_call_goes_on_with_its_callers_trace_and_says_whose_it_is(
    spans: Spans, lines: Lines, start: Any
) -> None:
    address, _ = await start()
    identify(run="run-1", attempt=1, step=4)
    with span("step"), ThreadPoolExecutor(1) as threads:
        await asyncio.wrap_future(threads.submit(carried(ask), str(address)))
    served, step = spans.one("test.Echo/Echo"), spans.one("step")
    assert served in spans.of_trace(step)
    assert spans.parent(served) is step
    (entry,) = lines.calls
    told = {name: entry[name] for name in ("run", "attempt", "step", "grpc_method", "grpc_code")}
    # As texts: they have travelled.
    assert told == {"run": "run-1", "attempt": "1", "step": "4", "grpc_method": "Echo", "grpc_code": "OK"}
    assert entry["request_id"]
    assert entry["seconds"] > 0
    assert "hello" not in json.dumps(entry)


def ask(address: str) -> bytes:
    with open_channel(address) as channel:
        return call(channel.unary_unary("/test.Echo/Echo"), b"hello", timeout=10)
