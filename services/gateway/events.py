"""Server-sent events."""

import json
from collections.abc import AsyncIterator
from typing import Any, Self

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.gateway import metrics
from services.gateway.errors import body_of, readable

DONE = "data: [DONE]\n\n"


def event(data: Any, **fields: Any) -> str:
    """`fields` are `id` or `event`."""
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return "\n".join([*lines, f"data: {json.dumps(data)}"]) + "\n\n"


class EventStream(StreamingResponse):
    """Ends with [DONE]. What goes wrong on the way is an event with `error`: the status has been sent by then."""

    def __init__(self, texts: AsyncIterator[str]) -> None:
        super().__init__(texts, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with metrics.streams_open.track_inprogress():
            await super().__call__(scope, receive, send)

    @classmethod
    async def started(cls, items: AsyncIterator[Any], numbered: bool = False) -> Self:
        """Once the first item is there: what goes wrong before is an error with a status.

        Items that are `numbered` have an `id`, which a browser names when it comes back after a break.
        """
        first = await anext(items, None)
        return cls(_texts(first, items, numbered))


async def _texts(first: Any, items: AsyncIterator[Any], numbered: bool) -> AsyncIterator[str]:
    def written(item: Any) -> str:
        return event(item, id=item["id"]) if numbered else event(item)

    try:
        if first is not None:
            yield written(first)
        async for item in items:
            yield written(item)
    except Exception as error:
        yield event(body_of(readable(error)))
    finally:
        await items.aclose()  # type: ignore[attr-defined]
    yield DONE
