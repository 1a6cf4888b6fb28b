"""How much one client may ask for, and all of them at once."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.gateway.errors import Refused
from services.runtime.errors import Overloaded

MAX_CLIENTS = 10_000  # remembered; whoever was quiet longest is forgotten first, with a full bucket
PLACE = "rlhf.place"  # where a request keeps its Place


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
    """Requests in progress: `most` in all, and `of_one` for each client."""

    def __init__(self, most: int, of_one: int) -> None:
        self._most, self._of_one, self._taken = most, of_one, Counter[str]()

    @contextmanager
    def one(self, client: str) -> Iterator["Place"]:
        """Raises Busy where there is no room."""
        if self._taken.total() >= self._most:
            raise Busy()
        place = Place(self._taken, self._of_one, client)
        try:
            yield place
        finally:
            place.leave()


class Place:
    """A request among those in progress. It counts as its address's, and as a person's once it is known whose it is."""

    def __init__(self, taken: Counter[str], most: int, client: str) -> None:
        self._taken, self._most = taken, most
        self._client = self._take(client)

    def belongs_to(self, client: str) -> None:
        """Raises Busy where that client has its share already."""
        if client != self._client:
            taken = self._take(client)
            self.leave()
            self._client = taken

    def leave(self) -> None:
        self._taken[self._client] -= 1
        if not self._taken[self._client]:
            del self._taken[self._client]

    def _take(self, client: str) -> str:
        if self._taken[client] >= self._most:
            raise Busy(f"{client} has {self._most} requests in progress")
        self._taken[client] += 1
        return client


class Busy(Refused):
    retry_after = 1.0

    def __init__(self, why: str = "too many requests are in progress") -> None:
        super().__init__(503, f"{why}; try again in a moment")
