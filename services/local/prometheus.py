"""A Prometheus beside the local services, which scrapes them and their workers and evaluates the alerts."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.local.process import StartFailed
from services.monitoring.alerts import rules
from services.runtime.metrics import TARGETS

PORT = 9099
START_SECONDS = 30.0
SCRAPE_SECONDS = 5
LOG_CHARS = 1000  # of the log, in an error

# Ends with its stdin, and so with whoever started it, also by SIGKILL.
WITH_PARENT = 'exec 3<&0; "$@" 3<&- & pid=$!; (cat; kill $pid) <&3 > /dev/null 2>&1 & wait $pid'


class Prometheus:
    """`metrics` is host:port by service. Usable as `with Prometheus(…) as prometheus:`; `folder` gets data and log."""

    def __init__(
        self, metrics: Mapping[str, str], folder: Path, port: int = PORT, scrape_seconds: int = SCRAPE_SECONDS
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._config = configuration(metrics, scrape_seconds)
        self._folder, self._port = folder.absolute(), port
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        """Returns when it answers. Raises StartFailed, also where it is not installed."""
        program = shutil.which("prometheus")
        if program is None:
            raise StartFailed("Prometheus is not installed; on Debian: apt-get install prometheus")
        self._folder.mkdir(parents=True, exist_ok=True)
        # JSON is YAML.
        (self._folder / "prometheus.yml").write_text(json.dumps(self._config, indent=1))
        (self._folder / "rules.yml").write_text(json.dumps(rules(), indent=1))
        flags = [
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                ["sh", "-c", WITH_PARENT, "sh", program, *flags],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(time.monotonic() + START_SECONDS)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait(30)

    @property
    def _log(self) -> Path:
        return self._folder / "prometheus.log"

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._process is not None
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                if b"Prometheus" in answer.read():  # and not whoever else listens there
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                printed = self._log.read_text(errors="replace")[-LOG_CHARS:]
                raise StartFailed(f"Prometheus did not start; {self._log} ends with\n{printed}")
            time.sleep(0.1)


def configuration(metrics: Mapping[str, str], scrape_seconds: int) -> dict[str, Any]:
    """Everything is of the namespace `local`, so that the dashboards' variable has a value."""
    labels = {"namespace": "local"}
    services = [{"targets": [address], "labels": labels} for address in metrics.values()]
    workers = {"url": f"http://{metrics['trainer']}{TARGETS}", "refresh_interval": f"{scrape_seconds}s"}
    return {
        "global": {"scrape_interval": f"{scrape_seconds}s", "evaluation_interval": f"{scrape_seconds}s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {"job_name": "services", "static_configs": services},
            {
                "job_name": "workers",
                "http_sd_configs": [workers],
                "relabel_configs": [{"target_label": name, "replacement": value} for name, value in labels.items()],
            },
        ],
    }
