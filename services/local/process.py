"""One service as a child process with a log file."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from rlhf.credentials import NAMES, variable

from services.runtime.channels import open_channel, own_credentials
from services.runtime.environment import SHARED_MACHINE
from services.runtime.errors import ServiceError

LISTENING = re.compile(rb"^listening on (\S+) metrics (\S+)$", re.MULTILINE)
TAIL_LINES = 12
# By these a shell may hold a token for services elsewhere, and what it holds is nothing to services of this machine.
NOBODY = dict.fromkeys((*map(variable, NAMES), "RLHF_TOKENS"), "")


class StartFailed(ServiceError):
    pass


class ServiceProcess:
    """`arguments` are those of `python -m services.<name>` but ports; `identity` are variables such as RLHF_TOKEN."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        port: int,
        metrics_port: int,
        log: Path,
        identity: Mapping[str, str] = NOBODY,
    ) -> None:
        self.name = name
        self.log = log
        self.address = ""
        self.metrics_address = ""
        self._arguments = arguments
        self._ports = (port, metrics_port)
        self._process: subprocess.Popen | None = None
        self._log_start = 0
        self._identity = identity

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns at once; see `wait_until_healthy`. The log of an earlier start is kept."""
        port, metrics_port = self._ports
        flags = ["--port", str(port), "--metrics-port", str(metrics_port), "--stop-with-parent", *self._arguments]
        with self.log.open("ab") as out:
            self._log_start = out.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}", *flags],
                stdin=subprocess.PIPE,  # closed by the end of this process, also by SIGKILL: no service outlives it
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **NOBODY, **self._identity, **SHARED_MACHINE},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which stops the services in order
            )

    def wait_until_healthy(self, deadline: float) -> None:
        """Raises StartFailed with the end of the log. Later starts take the same ports: others know them."""
        while not (found := LISTENING.search(self._printed())):
            if not self.running:
                raise StartFailed(f"{self.name} did not start; {self.log} ends with\n{self.tail()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} is not up in time; {self.log} ends with\n{self.tail()}")
            time.sleep(0.05)
        self.address, self.metrics_address = (group.decode() for group in found.groups())
        self._ports = _port(self.address), _port(self.metrics_address)
        check = check_http_health if self.name == "gateway" else check_health
        check(self.address, max(deadline - time.monotonic(), 1.0), self._identity)

    def send(self, number: signal.Signals) -> None:
        """To the service and whatever it started in its own process group."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds."""
        assert self._process is not None, f"{self.name} was not started"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            assert self._process.stdin is not None
            self._process.stdin.close()
        return not self.running

    def stop(self, seconds: float) -> None:
        """SIGTERM, then SIGKILL for one that has not ended in time."""
        self.send(signal.SIGTERM)
        if not self.wait(seconds):
            self.send(signal.SIGKILL)
            self.wait(10)

    def tail(self) -> str:
        return "\n".join(self._printed().decode(errors="replace").splitlines()[-TAIL_LINES:])

    def _printed(self) -> bytes:
        """Since the latest start."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read()


def check_health(address: str, seconds: float, identity: Mapping[str, str] = NOBODY) -> None:
    """Raises grpc.RpcError where nobody serves."""
    with open_channel(address, own_credentials(identity)) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="")
        answer = stub.Check(request, timeout=seconds, wait_for_ready=True)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING, "a live process says so"


def check_http_health(address: str, seconds: float, identity: Mapping[str, str] = NOBODY) -> None:
    """Raises OSError where nobody serves."""
    connection = HTTPConnection(address, timeout=seconds)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert answer.status == HTTPStatus.OK, "a live process says so"
    finally:
        connection.close()


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])
