"""docs/metrics.md, written from the definitions."""

from collections.abc import Iterator

from services.monitoring.catalogue import FOREIGN, PROCESSES
from services.runtime.definitions import Metric

HEADER = """# Metrics

Written by `make monitoring` from the definitions in the code; `make lint` compares. Each figure has one source: the
control plane exports what the steps of a run report, so that a short job is not missed; workers export what their
process does, on a port of their own. Series of a run end 15 minutes after it, series of a model 15 minutes after its
last request.

Histograms have the suffixes `_bucket`, `_sum` and `_count` in queries.
"""


def metrics_page() -> str:
    return HEADER + "".join(_section(name, group) for name, group in (PROCESSES | FOREIGN).items())


def _section(process: str, metrics: tuple[Metric, ...]) -> str:
    return "\n".join([f"\n## {process[0].upper()}{process[1:]}", *_table(metrics), ""])


def _table(metrics: tuple[Metric, ...]) -> Iterator[str]:
    yield "| metric | type | unit | labels | what it is |"
    yield "|---|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(metric.labels) or "–"
        what = metric.help.replace("|", "\\|")
        yield f"| `{metric.name}` | {metric.type} | {metric.unit} | {labels} | {what} |"
