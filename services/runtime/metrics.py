"""Prometheus metrics that every process has, and the port they are read from."""

import time

from prometheus_client import Counter, Histogram, start_http_server

# From the milliseconds of a small score to the minutes of a training step.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
RPC = ("grpc_service", "grpc_method")

RPC_STARTED = Counter("grpc_server_started_total", "RPCs that arrived", RPC)
RPC_HANDLED = Counter("grpc_server_handled_total", "RPCs that ended, by status code", (*RPC, "grpc_code"))
RPC_SECONDS = Histogram(
    "grpc_server_handling_seconds", "Time from an RPC's arrival to its end", (*RPC, "grpc_code"), buckets=SECONDS
)
STAGE_SECONDS = Histogram(
    "rlhf_stage_seconds", "Time spent in one part of a training step", ("stage",), buckets=SECONDS
)


class Rpc:
    """The metrics of one call, from its arrival; `path` is "/package.Service/Method"."""

    def __init__(self, path: str) -> None:
        self._labels = path.lstrip("/").split("/")
        self._started: float | None = time.perf_counter()
        RPC_STARTED.labels(*self._labels).inc()

    def end(self, code: str) -> None:
        """What ended the call counts; what follows from that does not."""
        if self._started is None:
            return
        RPC_HANDLED.labels(*self._labels, code).inc()
        RPC_SECONDS.labels(*self._labels, code).observe(time.perf_counter() - self._started)
        self._started = None


class MetricsServer:
    """Serves /metrics from a thread of its own. Port 0 takes any free one; `port` is the one it got.

    Raises OSError where the port is taken.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server, self._thread = start_http_server(port, host)
        self.port: int = self._server.server_port

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
