"""What the control plane asks of a place that workers run in."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from services.runtime.errors import ServiceError
from services.trainer.placement import Placement

Launch = dict[str, Any]  # JSON values by which any control plane finds the worker again; kept in the run's record


@dataclass(frozen=True)
class Assignment:
    """One attempt to be worked on."""

    run_id: str
    attempt: int
    threads: int  # of each process
    placement: Placement = field(default=Placement())
    deadline_seconds: int = 0  # 0: none


@dataclass(frozen=True)
class Waiting:
    """The worker does not run yet. After `until`, in seconds since the epoch, nobody expects it to any more."""

    words: str  # why not, and what helps
    until: float = math.inf


@dataclass(frozen=True)
class Running:
    note: str = ""  # what seems wrong with its place; empty where nothing does


class Verdict(StrEnum):
    CRASHED = "crashed"  # another attempt may do better; a few in a row, and the run has failed
    DISRUPTED = "disrupted"  # its place was taken from it: another attempt, which does not count
    HOPELESS = "hopeless"  # another attempt would end like this one


@dataclass(frozen=True)
class Exit:
    """The worker is gone."""

    words: str  # how it ended, after "the worker of attempt 1 "
    verdict: Verdict = Verdict.CRASHED


Sight = Waiting | Running | Exit

PASSING = "for now: "  # begins the last words of a worker whose trouble may be over before the next one starts


def could_not_go_on(last_words: str) -> Exit:
    """Of a worker that left its last words to the launcher, as it could not tell storage."""
    text = last_words.strip()
    verdict = Verdict.CRASHED if text.startswith(PASSING) else Verdict.HOPELESS
    return Exit(f"could not go on: {text.removeprefix(PASSING)}", verdict)


class LaunchRefused(ServiceError):
    """No worker of this run can be started here; the message says why and what helps."""


class Launcher(Protocol):
    """Methods may block; they are called from threads."""

    kinds: frozenset[str]  # of the `launcher` in the launches that are its own

    def prepare(self, assignment: Assignment) -> Launch:
        """Names the worker, so that it can be recorded before it does anything. Nothing of the run has begun yet.

        Raises LaunchRefused."""
        ...

    def begin(self, assignment: Assignment, launch: Launch) -> Waiting | None:
        """Lets a prepared worker go, or says what holds it up: then it is asked again. May also be asked again for
        one that has gone, by a control plane that does not know. Raises LaunchRefused."""
        ...

    def poll(self, launch: Launch, ran: bool) -> Sight:
        """How the worker stands, as far as it can be seen from outside; never Waiting for one that `ran` before."""
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

    def close(self) -> None:
        """The control plane goes; workers stay."""
        ...


class Elsewhere:
    """In place of the launcher of a worker that another one started, before the settings were changed."""

    kinds = frozenset[str]()

    def prepare(self, assignment: Assignment) -> Launch:
        raise NotImplementedError

    def begin(self, assignment: Assignment, launch: Launch) -> None:
        pass

    def poll(self, launch: Launch, ran: bool) -> Exit:
        return Exit(f"was started by the launcher {launch['launcher']!r}, which this trainer does not use any more")

    def stop(self, launch: Launch, grace_seconds: float) -> None:
        pass

    def read_log(self, launch: Launch, offset: int, limit: int) -> bytes:
        return b""

    def clear(self, launch: Launch) -> None:
        pass

    def close(self) -> None:
        pass
