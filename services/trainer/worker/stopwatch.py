"""Where the time of a step goes."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.tracing import span
from services.trainer.worker.metrics import STAGE_SECONDS

_stage_seconds = STAGE_SECONDS.on()


class Stopwatch:
    """Seconds by part since the last reading, and since the reading before as a whole; `run` labels the metric."""

    def __init__(self, run: str = "") -> None:
        self._run = run
        self._seconds: dict[str, float] = defaultdict(float)
        self._started = time.monotonic()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            with span(name):
                yield
        finally:
            seconds = time.monotonic() - started
            self._seconds[name] += seconds
            _stage_seconds.labels(self._run, name).observe(seconds)

    def read(self) -> dict[str, float]:
        """{"seconds": all of it, "seconds_<part>": …}; starts again from zero."""
        now = time.monotonic()
        reading = {"seconds": now - self._started} | {f"seconds_{name}": s for name, s in self._seconds.items()}
        self._seconds.clear()
        self._started = now
        return reading
