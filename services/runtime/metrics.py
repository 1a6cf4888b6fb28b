"""Metrics that every process has, and the port they are read from."""

import logging
import platform
import socket
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from services.runtime.definitions import counter, gauge, histogram
from services.runtime.logs import during

log = logging.getLogger(__name__)

RPC = ("grpc_service", "grpc_method")

STARTED = counter("grpc_server_started_total", "calls", "Calls that arrived", RPC)
HANDLED = counter("grpc_server_handled_total", "calls", "Calls that ended, by status code", (*RPC, "grpc_code"))
HANDLING = histogram("grpc_server_handling_seconds", "seconds", "From a call's arrival to its end", (*RPC, "grpc_code"))
BUILD_INFO = gauge(
    "rlhf_build_info", "1", "Always 1; which service this process is and what it runs", ("service", "version", "python")
)

_started, _handled, _handling, _build_info = STARTED.on(), HANDLED.on(), HANDLING.on(), BUILD_INFO.on()


class Rpc:
    """The metrics of one call, from its arrival; `path` is "/package.Service/Method"."""

    def __init__(self, path: str) -> None:
        self._labels = path.lstrip("/").split("/")
        self._started: float | None = time.perf_counter()
        _started.labels(*self._labels).inc()

    def end(self, code: str) -> None:
        """What ended the call counts; what follows from that does not."""
        if self._started is None:
            return
        seconds = time.perf_counter() - self._started
        self._started = None
        _handled.labels(*self._labels, code).inc()
        _handling.labels(*self._labels, code).observe(seconds)
        with during(grpc_method=self._labels[-1], grpc_code=code, seconds=round(seconds, 6)):
            log.info("call ended")


def show_build(service: str) -> None:
    _build_info.labels(service, built_version(), platform.python_version()).set(1)


def built_version() -> str:
    try:
        return version("rlhf-services")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "unknown"


# What a process serves beside /metrics: JSON by path. One per process, as is the registry of its metrics.
PAGES: dict[str, Callable[[], bytes]] = {}
TARGETS = "/targets"  # the trainer's page of where its workers serve their metrics
POLL = 0.1  # seconds between looks at whether to stop; a stop waits for one


class MetricsServer:
    """Serves /metrics and PAGES from a thread. Port 0 takes any free one; `port` is the one it got.

    Raises OSError where the port is taken.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = make_server(host, port, _app(make_wsgi_app()), _Ipv6Server if ":" in host else _Server, _Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,), name="metrics", daemon=True)
        self._thread.start()
        self.port: int = self._server.server_port

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Ipv6Server(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 30  # a client that connects and says nothing holds a thread no longer

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _app(metrics: Any) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        page = PAGES.get(environ["PATH_INFO"])
        if page is None:
            return metrics(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [page()]

    return app
