"""The latest figures of one stage of a run, as they are exported."""

from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median

from services.trainer.attempts import Step
from services.trainer.metrics import DROP_REASONS

REMEMBERED_STEPS = 50  # whose median time is shown


@dataclass
class StageFigures:
    last: Step | None = None
    at: float = 0.0  # when the last step came, seconds since the epoch
    samples: float = 0.0
    dropped: Counter[str] = field(default_factory=Counter)  # by reason
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_STEPS))

    def add(self, step: Step, at: float) -> None:
        self.last, self.at = step, at
        self.samples += step.metrics.get("samples", 0)
        for key, reason in DROP_REASONS.items():
            self.dropped[reason] += step.metrics.get(key, 0)  # type: ignore[assignment]
        if "seconds" in step.metrics:
            self._seconds.append(step.metrics["seconds"])

    @property
    def median_seconds(self) -> float | None:
        """None before the first step."""
        return median(self._seconds) if self._seconds else None
