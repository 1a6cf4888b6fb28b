"""A metric's definition: said once, for the process that exports it and for docs, dashboards and alerts."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

# From the milliseconds of a small score to the minutes of a training step.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

CollectorT = TypeVar("CollectorT", Counter, Gauge, Histogram)


@dataclass(frozen=True)
class Metric(Generic[CollectorT]):
    """`name` is what queries use: counters end in `_total`. `help` is the formula in words."""

    kind: type[CollectorT]
    name: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def type(self) -> str:
        return self.kind.__name__.lower()

    @property
    def documentation(self) -> str:
        return f"{self.help} [{self.unit}]"

    def on(self, registry: CollectorRegistry | None = REGISTRY) -> CollectorT:
        """What counts; None registers it nowhere."""
        shape: dict[str, Any] = {"buckets": self.buckets} if self.buckets else {}
        return self.kind(self.name, self.documentation, self.labels, registry=registry, **shape)

    def family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """For a collector that fills in the samples when it is scraped."""
        make = GaugeMetricFamily if self.kind is Gauge else CounterMetricFamily
        return make(self.name, self.documentation, labels=self.labels)


def counter(name: str, unit: str, help: str, labels: tuple[str, ...] = ()) -> Metric[Counter]:
    return Metric(Counter, name, unit, help, labels)


def gauge(name: str, unit: str, help: str, labels: tuple[str, ...] = ()) -> Metric[Gauge]:
    return Metric(Gauge, name, unit, help, labels)


def histogram(
    name: str, unit: str, help: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = SECONDS
) -> Metric[Histogram]:
    return Metric(Histogram, name, unit, help, labels, buckets)
