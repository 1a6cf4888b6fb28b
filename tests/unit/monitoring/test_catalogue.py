"""What every metric has in common."""

import re

from services.monitoring.catalogue import PROCESSES
from services.runtime.definitions import Metric

# Why the values of a label do not grow without end.
BOUNDED = {
    "grpc_service": "of our contracts",
    "grpc_method": "of our contracts",
    "grpc_code": "of gRPC",
    "service": "of ours",
    "version": "one per process",
    "python": "one per process",
    "operation": "of the object store's interface",
    "direction": "read and written",
    "error": "three kinds",
    "certificate": "files that the settings name",
    "model_name": "ends 15 minutes after the last request, and has a bound",
    "reason": "words in the code",
    "state": "of a run or a campaign",
    "run": "ends 15 minutes after the run, and 100 at most",
    "name": "beside `run`, with which it ends",
    "stage": "beside `run`, with which it ends; of one run, as many as its spec names",
    "quantile": "three",
    "tokens": "six bins",
    "answer": "kinds of answers",
    "kind": "of exports",
    "method": "of HTTP, or other",
    "route": "a template of ours, or other",
    "status": "of HTTP",
}
OURS = [metric for group in PROCESSES.values() for metric in group]


def well_named(metric: Metric) -> bool:
    counts = metric.name.endswith("_total") == (metric.type == "counter")
    unit = {"seconds": "_seconds", "unix seconds": "_timestamp_seconds", "bytes": "_bytes"}.get(metric.unit, "")
    return bool(re.fullmatch(r"(rlhf|grpc_server)_[a-z0-9_]+", metric.name)) and counts and unit in metric.name


def test_names_are_as_prometheus_wants_them_and_each_has_a_unit_and_a_formula() -> None:
    assert [metric.name for metric in OURS if not well_named(metric)] == []
    assert [metric.name for metric in OURS if not (metric.unit and metric.help)] == []
    assert len(OURS) == len({metric.name for metric in OURS})


def test_it_is_known_of_every_label_why_its_values_are_bounded() -> None:
    assert {label for metric in OURS for label in metric.labels} == BOUNDED.keys()
