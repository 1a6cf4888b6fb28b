"""How much one client may ask for, and all of them at once."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.gateway.errors import Refused
from services.runtime.errors import Overloaded

MAX_CLIENTS = 10_000  # remembered; whoever was quiet longest is forgotten first, with a full bucket


@dataclass
class Bucket:
    tokens: float
    at: float


class RateLimit:
    """A token bucket for each client: `burst` at once, then `per_second`."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str) -> None:
        """Raises Overloaded with the seconds until there is a token again."""
        now = self._clock()
        bucket = self._buckets.pop(client, None) or Bucket(self._burst, now)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._per_second)
        bucket.at = now
        self._buckets[client] = bucket
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            wait = (1 - bucket.tokens) / self._per_second
            raise Overloaded(f"too many requests; the next one may come in {wait:.1f} s", wait)
        bucket.tokens -= 1


class Concurrency:
    """Requests in progress."""

    def __init__(self, most: int) -> None:
        self._most, self.now = most, 0

    @contextmanager
    def one(self) -> Iterator[None]:
        if self.now >= self._most:
            raise Busy()
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1


class Busy(Refused):
    retry_after = 1.0

    def __init__(self) -> None:
        super().__init__(503, "too many requests are in progress; try again in a moment")
