"""What policy, reward and reference measure alike; names end as vLLM's do."""

import time
from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics import SECONDS
from services.serving.token_admission import TokenAdmission

# Models that get a label of their own; every label value stays in a process's memory and in Prometheus' for good.
MAX_MODEL_LABELS = 200
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class ServingMetrics:
    """`items` is what the service counts: samples, items or sequences."""

    def __init__(self, service: str, items: str, registry: CollectorRegistry = REGISTRY):
        prefix = f"rlhf_{service}_"
        self.running = Gauge(
            f"{prefix}num_requests_running", "Requests (policy: sequences) being computed", registry=registry
        )
        self.waiting = Gauge(
            f"{prefix}num_requests_waiting", "Admitted requests (policy: sequences) that wait", registry=registry
        )
        self.prompt_tokens = Counter(f"{prefix}prompt_tokens", "Tokens that came in", registry=registry)
        self.batch_size = Histogram(
            f"{prefix}batch_size", "Sequences per forward pass", buckets=SIZES, registry=registry
        )
        self._latency = Histogram(
            f"{prefix}e2e_request_latency_seconds", "Time of answered requests", buckets=SECONDS, registry=registry
        )
        self._items = Counter(f"{prefix}{items}", f"Answered {items}", ["model_name"], registry=registry)
        self._models: set[str] = set()

    def watch(self, admission: TokenAdmission, waiting: Callable[[], int]) -> None:
        self.waiting.set_function(waiting)
        self.running.set_function(lambda: admission.requests - waiting())

    def answered(self, model: str, items: int, started: float) -> None:
        """Counts a request that was taken up at `started` (monotonic)."""
        self._items.labels(self._label(model)).inc(items)
        self._latency.observe(time.monotonic() - started)

    def _label(self, model: str) -> str:
        if len(self._models) < MAX_MODEL_LABELS:
            self._models.add(model)
        return model if model in self._models else "other"
