"""Streams that last as long as a run, and still let the service stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from services.runtime.errors import NotReady

RETRY_SECONDS = 1.0


async def until(stopping: asyncio.Event, items: Any) -> AsyncIterator[Any]:
    """The items of an async generator; raises NotReady when the service stops, so that nobody takes it for the end."""
    waiting: set[asyncio.Future] = {stop := asyncio.create_task(stopping.wait())}
    async with aclosing(items):
        try:
            while True:
                waiting.add(item := asyncio.ensure_future(anext(items, None)))
                await asyncio.wait({item, stop}, return_when=asyncio.FIRST_COMPLETED)
                if not item.done():
                    raise NotReady("this service is stopping; the stream can be taken up again", RETRY_SECONDS)
                waiting.discard(item)
                if item.result() is None:
                    return
                yield item.result()
        finally:
            await _cancel(waiting)


async def _cancel(waiting: set[asyncio.Future]) -> None:
    """An async generator can be closed only once nobody waits in it."""
    for future in waiting:
        future.cancel()
    await asyncio.wait(waiting)
