"""Clients that do not wait for their answer."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request

from services.gateway.errors import NOBODY_READS, Refused

T = TypeVar("T")


async def unless_hung_up(request: Request, work: Awaitable[T]) -> T:
    """Once the body has been read. Cancels `work` when the client hangs up, and raises Refused for the count."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_hung_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refused(NOBODY_READS, "the client hung up")
        return await task
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
