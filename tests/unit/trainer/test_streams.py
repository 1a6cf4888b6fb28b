import asyncio
from collections.abc import AsyncIterator

import pytest

from services.runtime.errors import NotReady
from services.trainer.streams import until


class Source:
    """One item, then nothing for a long time."""

    def __init__(self) -> None:
        self.closed = False

    async def items(self) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            self.closed = True


async def test_a_stream_that_ends_by_itself_just_ends() -> None:
    async def two() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [item async for item in until(asyncio.Event(), two())] == [1, 2]


async def test_a_stop_breaks_off_a_stream_that_waits() -> None:
    source, stopping, seen = Source(), asyncio.Event(), []

    async def read() -> None:
        async for item in until(stopping, source.items()):
            seen.append(item)
            stopping.set()

    with pytest.raises(NotReady, match="can be taken up again"):
        await asyncio.wait_for(read(), 1)
    assert seen == [1]
    assert source.closed


async def test_a_reader_that_goes_away_leaves_nothing_behind() -> None:
    source = Source()

    async def read() -> None:
        async for _ in until(asyncio.Event(), source.items()):
            pass

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
