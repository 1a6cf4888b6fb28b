"""A gRPC server with health, reflection, metrics and a stop that answers what it has accepted."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer  # `health.aio`, under a name that type checkers can follow
from grpc_reflection.v1alpha import reflection

from services.runtime.admission import Admission
from services.runtime.certificates import show_expiry
from services.runtime.channels import Option, size_options
from services.runtime.errors import Conflict
from services.runtime.identity import open_gate
from services.runtime.interceptors import CallInterceptor
from services.runtime.logs import identify
from services.runtime.metrics import MetricsServer, show_build
from services.runtime.settings import ListenSettings, ServerSettings, is_loopback
from services.runtime.stopping import stop_request
from services.runtime.tls import server_credentials
from services.runtime.tracing import start_tracing

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
SENDING_SECONDS = 5.0  # for answers that are on their way when the last call has ended
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
OPTIONS = (
    ("grpc.so_reuseport", 0),  # a taken port is an error, not a second server behind it
    # Clients may ask every ten seconds whether the connection lives; the default calls that too many pings.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)

GRACE_MS = 600_000  # for what is under way when a connection has reached its age

log = logging.getLogger(__name__)

# Adds servicers to the server and returns the full names of their services, as "rlhf.v1.PolicyService".
Register = Callable[[grpc.aio.Server], Iterable[str]]
Alongside = Callable[["Address"], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Address:
    host: str
    port: int
    metrics_host: str
    metrics_port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def from_this_machine(self) -> str:
        """Where a server is reached that listens on all addresses of its machine."""
        return f"{EVERY_ADDRESS.get(self.host, self.host)}:{self.port}"


async def serve(
    name: str,
    settings: ServerSettings,
    register: Register,
    admission: Admission | None = None,
    alongside: Alongside | None = None,
) -> None:
    """Runs until SIGTERM or SIGINT, or the parent's end where settings say so, then drains.

    Prints `listening on HOST:PORT metrics HOST:PORT` once calls are accepted, so that a parent learns the ports.
    `alongside` is entered once the address is known and left while calls are still answered.
    """
    stopping = stop_request(settings.stop_with_parent)
    async with running(name, settings, register, admission) as address, (alongside or nullcontext)(address):
        announce(address)
        await stopping.wait()
        log.info("%s stops", name)


def announce(address: Address) -> None:
    """For a parent, which learns the ports from this line."""
    print(f"listening on {address} metrics {address.metrics_host}:{address.metrics_port}", flush=True)


def warn_of_plaintext(settings: ListenSettings, secured: bool) -> None:
    if not (secured or is_loopback(settings.host)):
        log.warning("tokens travel in plaintext: keep others away from this network, or set tls_cert and tls_key")


def serve_metrics(settings: ListenSettings) -> MetricsServer:
    """Raises Conflict where the port is taken."""
    try:
        return MetricsServer(settings.metrics_host, settings.metrics_port)
    except OSError as error:
        raise Conflict(f"cannot listen on {settings.metrics_host}:{settings.metrics_port}: {error}") from error


@asynccontextmanager
async def running(
    name: str, settings: ServerSettings, register: Register, admission: Admission | None = None
) -> AsyncIterator[Address]:
    """The server, for as long as the block runs. Raises Conflict where a port is taken."""
    admission = admission or Admission(settings.max_calls)
    server = grpc.aio.server(
        interceptors=[CallInterceptor(admission, settings.deadline_seconds, open_gate(settings))],
        options=[*OPTIONS, *_age_options(settings.connection_age_seconds), *size_options(settings.max_message_mib)],
    )
    names = list(register(server))
    health_servicer = _add_health_and_reflection(server, names)
    show_build(name)
    identify(service=name)
    start_tracing(name)
    if settings.tls_cert:
        show_expiry(settings.tls_cert)
    address, metrics = _bind(server, settings)
    async with _probes(health_servicer, settings):
        await server.start()
        await _set_health(health_servicer, names, SERVING)
        log.info("%s listens on %s", name, address)
        try:
            yield address
        finally:
            await _set_health(health_servicer, names, NOT_SERVING)
            await _stop(server, admission, settings.drain_seconds)
            metrics.stop()


def _age_options(seconds: float) -> list[Option]:
    """Clients come back through the name service now and then, and so find new replicas."""
    return [("grpc.max_connection_age_ms", round(seconds * 1000)), ("grpc.max_connection_age_grace_ms", GRACE_MS)]


def _add_health_and_reflection(server: grpc.aio.Server, names: list[str]) -> HealthServicer:
    servicer = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    return servicer


@asynccontextmanager
async def _probes(servicer: HealthServicer, settings: ServerSettings) -> AsyncIterator[None]:
    """Health once more, and nothing else, on a port without TLS: for as long as the process lives."""
    if settings.health_port < 0:
        yield
        return
    server = grpc.aio.server(options=OPTIONS)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    _listen(server, settings.host, settings.health_port, None)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


def _listen(server: grpc.aio.Server, host: str, port: int, tls: grpc.ServerCredentials | None) -> int:
    where = f"{host}:{port}"
    try:
        return server.add_secure_port(where, tls) if tls else server.add_insecure_port(where)
    except RuntimeError as error:
        raise Conflict(f"cannot listen on {where}: {error}") from error


def _bind(server: grpc.aio.Server, settings: ServerSettings) -> tuple[Address, MetricsServer]:
    tls = server_credentials(settings)
    warn_of_plaintext(settings, secured=tls is not None)
    port = _listen(server, settings.host, settings.port, tls)
    metrics = serve_metrics(settings)
    return Address(settings.host, port, settings.metrics_host, metrics.port), metrics


async def _set_health(servicer: HealthServicer, names: list[str], status: int) -> None:
    """A named service is ready or not; "" says that the process lives, which holds while it drains."""
    await servicer.set("", SERVING)
    for name in names:
        await servicer.set(name, status)


async def _stop(server: grpc.aio.Server, admission: Admission, drain_seconds: float) -> None:
    if left := await admission.drain(drain_seconds):
        log.warning("%d calls did not end within %s s and are cancelled", left, drain_seconds)
    await server.stop(None if left else SENDING_SECONDS)
