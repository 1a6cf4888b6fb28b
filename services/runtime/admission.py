"""Which calls are in progress, and whether more are let in."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from services.runtime.errors import NotReady, Overloaded

RETRY_SECONDS = 1.0


class Admission:
    """Counts admitted calls, so that a stop can wait until each has its answer."""

    def __init__(self, max_calls: int) -> None:
        self.running = 0
        self.draining = asyncio.Event()  # long streams end when this is set
        self._max_calls = max_calls
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Raises NotReady while draining and Overloaded at the limit."""
        if self.draining.is_set():
            raise NotReady("this replica is stopping", RETRY_SECONDS)
        if self.running >= self._max_calls:
            raise Overloaded(f"{self.running} calls are in progress, as many as allowed", RETRY_SECONDS)
        self.running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.running -= 1
            if not self.running:
                self._idle.set()

    async def drain(self, seconds: float) -> int:
        """Lets nobody in any more and waits for the calls inside; how many were left after `seconds`."""
        self.draining.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return self.running
