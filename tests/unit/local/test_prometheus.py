"""A real Prometheus beside something that it scrapes."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from services.local import Prometheus
from services.local.process import StartFailed
from services.runtime.metrics import MetricsServer
from tests.conftest import free_port, wait_until
from tests.tools import tool

METRICS = {"policy": "127.0.0.1:1", "trainer": "127.0.0.1:2"}


def targets(prometheus: Prometheus) -> list[dict]:
    with urllib.request.urlopen(f"{prometheus.url}/api/v1/targets", timeout=10) as answer:
        return json.load(answer)["data"]["activeTargets"]


def test_it_scrapes_the_services_and_knows_the_alerts(tmp_path: Path) -> None:
    tool("prometheus", "prometheus")
    server = MetricsServer("127.0.0.1", 0)
    metrics = {"trainer": f"127.0.0.1:{server.port}"}
    try:
        with Prometheus(metrics, tmp_path, free_port(), scrape_seconds=1) as prometheus:
            wait_until(lambda: [t["health"] for t in targets(prometheus)] == ["up"], seconds=20)
            assert targets(prometheus)[0]["labels"]["namespace"] == "local"
            with urllib.request.urlopen(f"{prometheus.url}/api/v1/rules", timeout=10) as answer:
                groups = json.load(answer)["data"]["groups"]
            assert "StorageErrors" in [rule["name"] for rule in groups[0]["rules"]]
    finally:
        server.stop()


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    tool("prometheus", "prometheus")
    server = MetricsServer("127.0.0.1", 0)
    try:
        with pytest.raises(StartFailed, match="address already in use"), Prometheus(METRICS, tmp_path, server.port):
            pass
    finally:
        server.stop()


def test_where_it_is_missing_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartFailed, match="apt-get install prometheus"), Prometheus(METRICS, tmp_path):
        pass


def test_it_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    tool("prometheus", "prometheus")
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from services.local import Prometheus\n"
        f"with Prometheus({METRICS}, Path({str(tmp_path)!r}), {free_port()}):\n"
        "    print('up', flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    assert parent.stdout.readline() == "up\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert [child for child in children if child.name() == "prometheus"]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    wait_until(lambda: not any(child.is_running() for child in children), seconds=20)
