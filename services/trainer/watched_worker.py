"""A worker as this control plane knows it: let go, seen, about to be stopped. Another control plane starts over."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial

from services.storage.object_store import ObjectStore
from services.trainer import logs
from services.trainer.launchers.launcher import Assignment, Exit, Launch, Launcher, Sight, Waiting
from services.trainer.logs import LogKeeper

LOOK_AGAIN_SECONDS = 1.0  # after a look at a worker that waits


@dataclass
class WatchedWorker:
    store: ObjectStore
    launcher: Launcher
    assignment: Assignment
    launch: Launch
    met: bool = False  # seen running
    doom: Exit | None = None  # what is said of it once it is stopped
    _begun: bool = False
    _look_at: float = 0.0  # on the monotonic clock
    _stop: asyncio.Task | None = None
    _keeper: LogKeeper | None = None

    async def look(self, ran: bool) -> Sight | None:
        """None where it is too early to look again. What it printed is in storage when this returns.

        `ran`: this or an earlier control plane saw it running. Raises LaunchRefused.
        """
        if time.monotonic() < self._look_at:
            return None
        await asyncio.to_thread(self._ship)
        sight = await asyncio.to_thread(self._look, ran)
        if isinstance(sight, Waiting):
            self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS
        return sight

    def _look(self, ran: bool) -> Sight:
        """One that ran is not let go again: it would be a second worker of the same attempt."""
        self._begun = self._begun or ran
        if not self._begun and (held_up := self.launcher.begin(self.assignment, self.launch)):
            return held_up
        self._begun = True
        return self.launcher.poll(self.launch, ran)

    def _ship(self, last: bool = False) -> None:
        if self._keeper is None:
            read = partial(self.launcher.read_log, self.launch)
            self._keeper = LogKeeper(self.store, self.assignment.run_id, self.assignment.attempt, read)
        self._keeper.ship(last)

    async def stopped(self, grace_seconds: float) -> bool:
        """Stops it in the background, since that may take as long as a step; True once it is gone."""
        if self._stop is None:
            self._stop = asyncio.create_task(asyncio.to_thread(self.stop, grace_seconds))
        if not self._stop.done():
            return False
        stop, self._stop = self._stop, None
        stop.result()  # what went wrong is raised, and tried again
        return True

    def stop(self, grace_seconds: float) -> None:
        self.launcher.stop(self.launch, grace_seconds)

    async def bury(self) -> None:
        """It is gone; what it printed stays."""
        await asyncio.to_thread(self._ship, last=True)
        await asyncio.to_thread(logs.compact, self.store, self.assignment.run_id, self.assignment.attempt)
        await asyncio.to_thread(self.launcher.clear, self.launch)
