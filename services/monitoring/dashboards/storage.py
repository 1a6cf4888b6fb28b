"""Object storage, memory, processes, and room for more runs."""

from services.monitoring.dashboards.dashboard import NAMESPACE, Dashboard
from services.monitoring.dashboards.panels import Panel, Query, Row, Thresholds
from services.monitoring.queries import NS, quantile, rate

PROCESS = "{{job}} {{instance}}"


def over_budget(service: str) -> Query:
    used, budget = (f"rlhf_{service}_weights_memory{part}_bytes{{{NS}}}" for part in ("", "_budget"))
    return Query(f"{used} / {budget}", f"{service} {{{{instance}}}}")


STORAGE = Row(
    "Object storage",
    (
        Panel("Operations", "Per second, of those that succeeded.", "per second",
              (Query(rate(f"rlhf_storage_operation_seconds_count{{{NS}}}", "operation"), "{{operation}}"),),
              Thresholds(500, 2000), "rlhf-overview"),
        Panel("Time of an operation, 95th percentile", "Whole objects, large ones too.", "seconds",
              (Query(quantile(0.95, f"rlhf_storage_operation_seconds_bucket{{{NS}}}", by="operation"),
                     "{{operation}}"),), Thresholds(1, 5), "rlhf-overview"),
        Panel("Bytes", "Read and written, per second.", "bytes per second",
              (Query(rate(f"rlhf_storage_bytes_total{{{NS}}}", "direction"), "{{direction}}"),),
              Thresholds(5e8, 5e9), "rlhf-overview"),
        Panel("Errors", "Per second, by operation and kind.", "per second",
              (Query(rate(f"rlhf_storage_errors_total{{{NS}}}", "operation, error"), "{{operation}} {{error}}"),),
              Thresholds(0.001, 0.1), "rlhf-overview", width=24),
    ),
)  # fmt: skip

CAPACITY = Row(
    "Capacity",
    (
        Panel("Weights in memory", "Share of the budget; at 1 the least recently used model goes.", "ratio",
              tuple(over_budget(service) for service in ("policy", "reward", "reference")),
              Thresholds(0.9, 1), "rlhf-serving", width=12),
        Panel("Runs by state", "Of this control plane's storage.", "runs",
              (Query(f"sum by (state) (rlhf_runs{{{NS}}})", "{{state}}"),), Thresholds(1e4, 1e5), "rlhf-run", width=12),
        Panel("Oldest queued run", "More workers at once, or more machines, shorten it.", "seconds",
              (Query(f"max(rlhf_runs_queue_age_seconds{{{NS}}})", "queue"),), Thresholds(1800, 7200), "rlhf-run",
              width=12),
        Panel("Versions in service", "Which build runs where.", "1",
              (Query(f"count by (service, version, python) (rlhf_build_info{{{NS}}})",
                     "{{service}} {{version}}, Python {{python}}"),), Thresholds(100, 1000), "rlhf-overview", width=12),
    ),
)  # fmt: skip

PROCESSES = Row(
    "Processes",
    (
        Panel("Memory", "Resident.", "bytes", (Query(f"process_resident_memory_bytes{{{NS}}}", PROCESS),),
              Thresholds(16e9, 64e9), "rlhf-overview"),
        Panel("CPU", "Cores in use.", "1",
              (Query(rate(f"process_cpu_seconds_total{{{NS}}}", "job, instance"), PROCESS),), Thresholds(16, 64),
              "rlhf-overview"),
        Panel("Open files", "Share of what is allowed.", "ratio",
              (Query(f"process_open_fds{{{NS}}} / process_max_fds{{{NS}}}", PROCESS),), Thresholds(0.7, 0.9),
              "rlhf-overview"),
    ),
)  # fmt: skip

STORAGE_AND_CAPACITY = Dashboard(
    "rlhf-storage",
    "RLHF / Storage and capacity",
    "Does storage answer, and is there room?",
    (NAMESPACE,),
    (STORAGE, CAPACITY, PROCESSES),
)
