"""What policy, reward and reference measure alike; names end as vLLM's do.

Every series is one model's, and ends when nobody has asked for the model for a while: a training run leaves a model
name behind, and thousands of runs must not leave thousands of series.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client import Metric as MetricFamily
from prometheus_client.registry import Collector

from services.runtime.definitions import CollectorT, Metric, counter, gauge, histogram
from services.storage.models import Version

# Models that get a label of their own at once; the others share one.
MAX_MODELS = 200
OTHER = "other"
IDLE_SECONDS = 900.0  # after which a model's series end
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MODEL = ("model_name",)


class Definitions:
    """`items` is what the service counts: samples, items or sequences."""

    def __init__(self, service: str, items: str) -> None:
        p = f"rlhf_{service}_"
        self.running = gauge(f"{p}num_requests_running", "requests", "Being computed (policy: sequences)", MODEL)
        self.waiting = gauge(f"{p}num_requests_waiting", "requests", "Admitted, not begun (policy: sequences)", MODEL)
        self.queue_age = gauge(f"{p}queue_age_seconds", "seconds", "Time the oldest waiting request has waited", MODEL)
        self.prompt_tokens = counter(f"{p}prompt_tokens_total", "tokens", "Tokens that came in", MODEL)
        self.batch_size = histogram(f"{p}batch_size", "sequences", "Sequences of one forward pass", MODEL, SIZES)
        self.latency = histogram(
            f"{p}e2e_request_latency_seconds", "seconds", "From a request's arrival to its answer, if answered", MODEL
        )
        self.items = counter(f"{p}{items}_total", items, f"Answered {items}", MODEL)
        self.weights_step = gauge(
            f"{p}weights_step", "training step", "Step in the id of the version that answered last", MODEL
        )
        self.weights_load = histogram(
            f"{p}weights_load_seconds", "seconds", "From the first request for a version until it can answer", MODEL
        )
        self.weights_failures = counter(f"{p}weights_load_failures_total", "loads", "Versions that did not load", MODEL)
        self.memory = gauge(f"{p}weights_memory_bytes", "bytes", "Memory of all loaded weights")
        self.memory_budget = gauge(f"{p}weights_memory_budget_bytes", "bytes", "What loaded weights may take together")

    def __iter__(self) -> Iterator[Metric]:
        return iter(vars(self).values())


class Child(Protocol):
    """The child of a metric that belongs to one model."""

    def __call__(self, metric: Metric[CollectorT], /, *more_labels: str) -> CollectorT: ...


class ModelSeries:
    """The series of one model. What runs and waits is counted here, and read when somebody scrapes."""

    def __init__(self, definitions: Definitions, child: Child, clock: Callable[[], float]) -> None:
        self.num_running = self.num_waiting = 0
        self.touched = clock()
        self.prompt_tokens = child(definitions.prompt_tokens)
        self.batch_size = child(definitions.batch_size)
        self.items = child(definitions.items)
        self.weights_load = child(definitions.weights_load)
        self.weights_failures = child(definitions.weights_failures)
        self._latency = child(definitions.latency)
        self._weights_step = child(definitions.weights_step)
        self._clock = clock
        self._arrived: dict[object, float] = {}  # of what waits
        child(definitions.running).set_function(lambda: self.num_running)
        child(definitions.waiting).set_function(lambda: self.num_waiting)
        child(definitions.queue_age).set_function(self._queue_age)

    @contextmanager
    def request(self) -> Iterator[Callable[[], None]]:
        """One that is admitted now; call what this gives when its computation begins."""
        ticket = object()
        self.waits(ticket, self._clock())
        self.num_waiting += 1

        def begin() -> None:
            if ticket in self._arrived:
                self.waits_no_more(ticket)
                self.num_waiting -= 1
                self.num_running += 1

        try:
            yield begin
        finally:
            begin()
            self.num_running -= 1

    def answered(self, version: Version, items: int, started: float) -> None:
        """A request that arrived at `started` (monotonic)."""
        self.items.inc(items)
        self._latency.observe(time.monotonic() - started)
        self._weights_step.set(version.metadata.get("step", 0))
        self.touched = self._clock()

    def waits(self, request: object, arrived: float) -> None:
        """The oldest of those that wait gives the queue's age."""
        self._arrived[request] = arrived

    def waits_no_more(self, request: object) -> None:
        self._arrived.pop(request, None)

    @property
    def busy(self) -> bool:
        return self.num_running > 0 or self.num_waiting > 0

    def _queue_age(self) -> float:
        return max((self._clock() - arrived for arrived in tuple(self._arrived.values())), default=0.0)


SeriesT = TypeVar("SeriesT", bound=ModelSeries)


class ServingMetrics(Collector, Generic[SeriesT]):
    """`make(child)` gives the series of a new model."""

    def __init__(
        self,
        definitions: Definitions,
        make: Callable[[Child, Callable[[], float]], SeriesT],
        registry: CollectorRegistry = REGISTRY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._clock = make, clock
        self._metrics: dict[str, Any] = {metric.name: metric.on(None) for metric in definitions if metric.labels}
        self._series: dict[str, SeriesT] = {}
        self._lock = threading.Lock()  # requests and scrapes come in different threads
        self._memory, self._budget = definitions.memory.on(registry), definitions.memory_budget.on(registry)
        registry.register(self)

    def of(self, model: str) -> SeriesT:
        with self._lock:
            label = model if model in self._series or len(self._series) < MAX_MODELS else OTHER
            if label not in self._series:
                self._series[label] = self._make(partial(self._child, label), self._clock)
            self._series[label].touched = self._clock()
            return self._series[label]

    def watch_memory(self, used: Callable[[], float], budget: float) -> None:
        self._memory.set_function(used)
        self._budget.set(budget)

    def collect(self) -> Iterator[MetricFamily]:
        with self._lock:
            for label in [label for label in self._series if self._ended(label)]:
                del self._series[label]
                for metric in self._metrics.values():
                    metric.remove_by_labels({MODEL[0]: label})
        for metric in self._metrics.values():
            yield from metric.collect()

    def _ended(self, label: str) -> bool:
        series = self._series[label]
        return not series.busy and self._clock() - series.touched > IDLE_SECONDS

    def _child(self, label: str, metric: Metric[CollectorT], *more_labels: str) -> CollectorT:
        return self._metrics[metric.name].labels(label, *more_labels)
