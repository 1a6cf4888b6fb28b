"""Runs: a list, and one with curves that grow while it runs."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import rlhf
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.door import Handler
from services.gateway.errors import response_to
from services.gateway.events import EventStream
from services.gateway.gateway import Gateway
from services.gateway.hanging_up import unless_hung_up
from services.gateway.pages.visit import Visit, visit

EVENT_ID = re.compile("[0-9]{1,18}")
WATCH = "/rlhf.v1.TrainerService/WatchRun"


async def show_all(visit: Visit) -> Response:
    return visit.render("runs.html.jinja", runs=await visit.client.runs.list())


async def show_one(visit: Visit) -> Response:
    return visit.render("run.html.jinja", run=await visit.client.runs.get(visit.path["run"]))


async def playground(visit: Visit) -> Response:
    return visit.render("playground.html.jinja")


def events(gateway: Gateway) -> Handler:
    """Server-sent events: every step from the beginning, or after the one that `Last-Event-ID` names."""

    async def handle(request: Request) -> Response:
        try:
            visited = await visit(gateway, request, WATCH)
            after = request.headers.get("last-event-id", "0")
            steps = _steps(visited, int(after) if EVENT_ID.fullmatch(after) else 0)
            return await unless_hung_up(request, EventStream.started(steps, numbered=True))
        except Exception as error:
            return response_to(error)

    return handle


async def _steps(visited: Visit, after: int) -> AsyncIterator[dict[str, Any]]:
    run = visited.path["run"]
    async with aclosing(visited.client.runs.watch(run, after_event=after)) as steps:  # type: ignore[type-var]
        async for step in steps:
            yield _event(step)


def _event(step: rlhf.StepEvent) -> dict[str, Any]:
    return {
        "id": step.event,
        "state": step.run.state,
        "reason": step.run.reason,
        "stage": step.stage,
        "step": step.step,
        "total": step.total_steps,
        "metrics": step.metrics,
    }
