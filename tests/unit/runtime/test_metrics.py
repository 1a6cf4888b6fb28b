"""Metrics that every process has."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import REGISTRY

from services.runtime.metrics import PAGES, TARGETS, MetricsServer, Rpc


def test_what_ended_a_call_counts_and_nothing_after_it() -> None:
    rpc = Rpc("/test.Metrics/Once")
    rpc.end("INTERNAL")
    rpc.end("OK")
    labels = {"grpc_service": "test.Metrics", "grpc_method": "Once"}
    handled = [
        REGISTRY.get_sample_value("grpc_server_handled_total", {**labels, "grpc_code": c}) for c in ("INTERNAL", "OK")
    ]
    assert handled == [1, None]


def test_pages_stand_beside_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAGES, TARGETS, lambda: b"[]")
    server = MetricsServer("127.0.0.1", 0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{TARGETS}", timeout=5) as response:
            assert (response.read(), response.headers["Content-Type"]) == (b"[]", "application/json")
    finally:
        server.stop()


def test_a_taken_port_is_an_error() -> None:
    server = MetricsServer("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            MetricsServer("127.0.0.1", server.port)
    finally:
        server.stop()


def test_a_stopped_metrics_server_answers_no_more() -> None:
    server = MetricsServer("127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as response:
        assert b"grpc_server_handling_seconds" in response.read()
    server.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5)
