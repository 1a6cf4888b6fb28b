"""When a call is tried again, and how long it waits before that."""

import random
import time
from dataclasses import dataclass, field

from rlhf.errors import ConnectionFailedError, DeadlineError, RefusedError, RlhfError

# Bound on the time a single call spends being refused, where its timeout does not end it sooner.
REFUSED_SECONDS = 60.0
# A service that restarts is back within seconds; one that is not there should be reported soon.
BLIND_ATTEMPTS = 5
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0


@dataclass
class Retries:
    """The retries of one call.

    A refusal with a hint (RetryInfo) means that no work was done: any call may be repeated after it. A broken
    connection says nothing about what was done: only calls that are `repeatable` are, a few times, or for `patience`
    seconds where the caller would rather wait. Both end with the call's `timeout`.
    """

    timeout: float | None
    repeatable: bool
    patience: float | None = None
    started: float = field(default_factory=time.monotonic)
    attempt: int = 0
    _trouble_since: float | None = None

    def remaining(self, at_most: float | None = None) -> float | None:
        """Seconds that the next attempt may take."""
        if self.timeout is None:
            return at_most
        left = max(0.001, self.started + self.timeout - time.monotonic())
        return left if at_most is None else min(left, at_most)

    def succeeded(self) -> None:
        """Something arrived: what failed before is over."""
        self.attempt, self._trouble_since = 0, None

    def delay_after(self, error: RlhfError) -> float:
        """Seconds to wait before the next attempt; raises `error` where there must be none."""
        now = time.monotonic()
        if self.patience and isinstance(error, DeadlineError) and self._time_left(now):
            return 0.0  # a quiet stream reached the limit of one attempt: nothing is wrong, open the next
        self._trouble_since = self._trouble_since or now
        delay, limit = self._plan(error)
        if now + delay > self._trouble_since + limit or not self._time_left(now + delay):
            raise error
        self.attempt += 1
        return delay

    def _time_left(self, moment: float) -> bool:
        return self.timeout is None or moment < self.started + self.timeout

    def _plan(self, error: RlhfError) -> tuple[float, float]:
        """The delay, and how long since the first failure retries may go on."""
        if isinstance(error, RefusedError) and error.retry_after is not None:
            return error.retry_after * random.uniform(1.0, 1.25), self.patience or REFUSED_SECONDS
        broken = isinstance(error, ConnectionFailedError)
        if not (broken and self.repeatable) or (self.patience is None and self.attempt + 1 >= BLIND_ATTEMPTS):
            raise error
        delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**self.attempt) * random.uniform(0.5, 1.0)
        return delay, self.patience or REFUSED_SECONDS
