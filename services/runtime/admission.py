"""Which calls are in progress, and whether more are let in."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from services.runtime.errors import NotReady, Overloaded

RETRY_SECONDS = 1.0
# Calls that wait in gRPC's own queue when a server stops are cancelled, which tells clients nothing: once this long
# nobody had to be refused, the queue is empty. Clients that call without a pause are not waited for forever.
QUIET_SECONDS, LONGEST_WAIT_FOR_QUIET_SECONDS = 0.05, 3.0


class Admission:
    """Counts admitted calls, so that a stop can wait until each has its answer."""

    def __init__(self, max_calls: int) -> None:
        self.running, self.refused = 0, 0
        self.draining = asyncio.Event()  # long streams end when this is set
        self._max_calls = max_calls
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Raises NotReady while draining and Overloaded at the limit."""
        if self.draining.is_set():
            self.refused += 1
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
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet(), LONGEST_WAIT_FOR_QUIET_SECONDS)
        return self.running

    async def _quiet(self) -> None:
        refused = -1
        while refused != self.refused:
            refused = self.refused
            await asyncio.sleep(QUIET_SECONDS)
