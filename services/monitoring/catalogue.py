"""Every metric there is, by the kind of process that exports it."""

import re
from collections.abc import Iterator
from types import ModuleType

from services.feedback import metrics as feedback
from services.gateway import metrics as gateway
from services.policy import metrics as policy
from services.reference import metrics as reference
from services.reward import metrics as reward
from services.runtime import certificates
from services.runtime import metrics as runtime
from services.runtime.definitions import Metric, counter, gauge
from services.storage import metrics as storage
from services.trainer import figures
from services.trainer import metrics as trainer
from services.trainer.worker import metrics as worker


def defined(*modules: ModuleType) -> tuple[Metric, ...]:
    """In the order in which the modules define them."""
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Metric))


def _figures() -> tuple[Metric, ...]:
    return tuple(dict.fromkeys(figure.metric for figure in figures.FIGURES))


PROCESSES: dict[str, tuple[Metric, ...]] = {
    "every process": defined(runtime, storage, certificates),
    "policy": tuple(policy.DEFINITIONS),
    "reward": tuple(reward.DEFINITIONS),
    "reference": tuple(reference.DEFINITIONS),
    "trainer": (*defined(trainer), *_figures()),
    "worker": defined(worker),
    "feedback": defined(feedback),
    "gateway": defined(gateway),
}

# Not ours, and used all the same.
FOREIGN: dict[str, tuple[Metric, ...]] = {
    "Prometheus": (
        gauge("up", "1", "1 while a target answers its scrapes", ("job", "instance")),
        gauge("ALERTS", "1", "1 for each alert that is pending or firing", ("alertname", "alertstate", "severity")),
    ),
    "prometheus_client, in every process": (
        gauge("process_resident_memory_bytes", "bytes", "Resident memory"),
        counter("process_cpu_seconds_total", "seconds", "User and system CPU time"),
        gauge("process_open_fds", "files", "Open file descriptors"),
        gauge("process_max_fds", "files", "Allowed file descriptors"),
    ),
}

ALL: dict[str, Metric] = {m.name: m for group in (*PROCESSES.values(), *FOREIGN.values()) for m in group}

_LABELS = re.compile(r'\{[^}]*\}|"[^"]*"')
_NAME = re.compile(r"\b(?:rlhf|grpc|process)_\w+|\bup\b|\bALERTS\b")
_SUFFIX = re.compile(r"_(?:bucket|count|sum)$")


def metrics_in(query: str) -> Iterator[str]:
    """Names of the metrics that a query reads, whether they exist or not; a histogram's parts give its own name."""
    without_labels = re.sub(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", "", query)
    for name in _NAME.findall(_LABELS.sub("", without_labels)):
        whole = _SUFFIX.sub("", name)
        yield whole if whole in ALL and ALL[whole].type == "histogram" else name
