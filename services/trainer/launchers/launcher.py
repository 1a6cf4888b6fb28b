"""What the control plane asks of a place that workers run in."""

from dataclasses import dataclass
from typing import Any, Protocol

Launch = dict[str, Any]  # JSON values by which any control plane finds the worker again; kept in the run's record


@dataclass(frozen=True)
class Job:
    """One attempt to be worked on."""

    run_id: str
    attempt: int
    threads: int


@dataclass(frozen=True)
class Exit:
    """`code` as in subprocess, negative for a signal; None where nobody was there to see it."""

    code: int | None


class Launcher(Protocol):
    """Methods may block; they are called from threads."""

    def prepare(self, job: Job) -> Launch:
        """Names the worker, so that it can be recorded before it does anything. Nothing of the run has begun yet."""
        ...

    def begin(self, launch: Launch) -> None:
        """Lets a prepared worker go."""
        ...

    def poll(self, launch: Launch) -> Exit | None:
        """None while the worker lives."""
        ...

    def stop(self, launch: Launch, grace_seconds: float) -> None:
        """Asks the worker to stop at the next step; kills it after `grace_seconds`. Returns when it is gone."""
        ...

    def read_log(self, launch: Launch, offset: int, limit: int) -> bytes:
        """What the worker printed, from the byte `offset`; empty where there is nothing more, or nothing any more."""
        ...

    def clear(self, launch: Launch) -> None:
        """The worker is gone and its log is kept: removes what it left behind."""
        ...
