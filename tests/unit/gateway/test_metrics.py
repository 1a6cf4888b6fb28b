"""What the gateway counts, beside what Door counts of every request."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import rlhf
from prometheus_client import REGISTRY

from services.gateway.app import open_gateway
from services.gateway.errors import Refused, response_to
from services.gateway.events import EventStream
from services.gateway.limits import Busy
from services.gateway.settings import GatewaySettings
from services.runtime.errors import InvalidInput, NotFound, Overloaded, PermissionDenied, Problem, Unauthenticated


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def refused() -> dict[str, float]:
    (family,) = (family for family in REGISTRY.collect() if family.name == "rlhf_gateway_refused")
    return {sample.labels["reason"]: sample.value for sample in family.samples if sample.name.endswith("_total")}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InvalidInput(Problem("n", "0", "1 or more")), "input"),
        (Unauthenticated("who are you?"), "token"),
        (PermissionDenied("not you"), "role"),
        (Overloaded("later", 1.0), "rate"),
        (Busy(), "busy"),
        (Refused(403, "another site's page"), "origin"),
        (Refused(421, "another host"), "host"),
        (Refused(413, "too large"), "size"),
        (Refused(408, "too slow"), "slow"),
        (Refused(415, "no JSON"), "content_type"),
        (Refused(404, "no such path"), None),
        (NotFound("model", "nobody", []), None),
        (rlhf.OverloadedError("the service behind is full"), None),
        (ValueError("a fault of its own"), None),
    ],
)
def test_what_it_refuses_itself_is_counted_by_reason_and_nothing_else(error: Exception, reason: str | None) -> None:
    before = refused()
    response_to(error)
    after = refused()
    assert {name: after[name] - before.get(name, 0.0) for name in after if after[name] != before.get(name, 0.0)} == (
        {reason: 1.0} if reason else {}
    )


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/static/site.css", {"method": "GET", "route": "/static/{name}", "status": "200"}),
        ("GET", "/etc/passwd", {"method": "GET", "route": "other", "status": "404"}),
        ("BREW", "/etc/passwd", {"method": "other", "route": "other", "status": "404"}),
    ],
)
def test_what_clients_make_up_is_nobodys_label(method: str, path: str, labels: dict[str, str]) -> None:
    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    door, _ = open_gateway(GatewaySettings(), {})
    before = value("rlhf_gateway_requests_total", **labels)
    asyncio.run(door(scope | {"client": ("127.0.0.1", 1)}, no_body, nowhere))  # type: ignore[arg-type]
    assert value("rlhf_gateway_requests_total", **labels) == before + 1


def test_a_client_that_hangs_up_in_the_middle_of_a_body_is_no_fault_of_the_gateway() -> None:
    """Faults are what the error budget is of."""
    parts = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def broken_off() -> Any:
        return next(parts)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/get_reward", "query_string": b"", "headers": headers}
    door, _ = open_gateway(GatewaySettings(), {})
    labels = {"method": "POST", "route": "/get_reward", "status": "499"}
    before = value("rlhf_gateway_requests_total", **labels)
    asyncio.run(door(scope | {"client": ("127.0.0.1", 1)}, broken_off, nowhere))  # type: ignore[arg-type]
    assert value("rlhf_gateway_requests_total", **labels) == before + 1


async def no_body() -> Any:
    return {"type": "http.request", "body": b""}


async def nowhere(message: Any) -> None:
    pass


def test_a_stream_is_open_until_it_ends_or_nobody_listens() -> None:
    async def wait_for_ever() -> AsyncIterator[Any]:
        yield {}
        await asyncio.Event().wait()

    async def scenario() -> list[float]:
        found = [value("rlhf_gateway_streams_open")]
        begun, gone = asyncio.Event(), asyncio.Event()

        async def send(message: Any) -> None:
            begun.set()

        async def receive() -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        stream = await EventStream.started(wait_for_ever())
        task = asyncio.create_task(stream({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send))
        await begun.wait()
        found.append(value("rlhf_gateway_streams_open"))
        gone.set()
        await task
        return [*found, value("rlhf_gateway_streams_open")]

    before, during, after = asyncio.run(asyncio.wait_for(scenario(), 30))
    assert (during - before, after - before) == (1.0, 0.0)
