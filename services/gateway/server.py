"""The gateway as a process: HTTP or HTTPS, metrics beside it, and a stop that answers what it has accepted."""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from functools import partial

import uvicorn
from rlhf.watched import Watched

from services.gateway.app import open_gateway
from services.gateway.connections import Connections, Protocol, allow_files, listen
from services.gateway.settings import GatewaySettings
from services.runtime.errors import InvalidInput, Problem
from services.runtime.metrics import show_build
from services.runtime.server import Address, announce, serve_metrics, warn_of_plaintext
from services.runtime.stopping import stop_request

HEADER_BYTES = 32 * 1024

log = logging.getLogger(__name__)


async def serve(settings: GatewaySettings) -> None:
    """Until SIGTERM or SIGINT. Prints `listening on HOST:PORT metrics HOST:PORT` once requests are accepted."""
    stopping = stop_request(settings.stop_with_parent)
    show_build("gateway")
    allow_files(settings.max_connections)
    async with running(settings) as address:
        announce(address)
        await stopping.wait()
        log.info("gateway stops")


@asynccontextmanager
async def running(settings: GatewaySettings, environ: Mapping[str, str] = os.environ) -> AsyncIterator[Address]:
    """The server, for as long as the block runs. Raises Conflict where a port is taken."""
    app, gateway = open_gateway(settings, environ)
    server = Server(configure(app, settings))
    connections = Connections(settings.max_connections, settings.connections_of_one)
    with listen(settings.host, settings.port, connections) as listener:
        metrics = serve_metrics(settings)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await server.answering.wait()
            yield Address(settings.host, listener.getsockname()[1], settings.metrics_host, metrics.port)
        finally:
            server.should_exit = True
            await task
            await gateway.clients.close()
            metrics.stop()


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    def capture_signals(self) -> AbstractContextManager[None]:
        """Signals are the process's."""
        return nullcontext()


def configure(app, settings: GatewaySettings) -> uvicorn.Config:
    secured = settings.tls_cert is not None
    warn_of_plaintext(settings, secured or settings.https)
    return uvicorn.Config(
        app,
        http=partial(  # type: ignore[arg-type]
            Protocol, head_seconds=settings.head_seconds, unread_seconds=settings.unread_seconds
        ),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.idle_seconds,  # type: ignore[arg-type]  # seconds of asyncio's clock
        timeout_graceful_shutdown=round(settings.drain_seconds),
        h11_max_incomplete_event_size=HEADER_BYTES,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ssl_context_factory=(lambda config, default: renewed(settings)) if secured else None,
    )


def renewed(settings: GatewaySettings) -> ssl.SSLContext:
    """Each connection is met with the certificate as it is then."""
    files = [file for file in (settings.tls_cert, settings.tls_key, settings.tls_client_ca) if file]
    current = Watched(files, lambda: tls_context(settings)).value

    def swap(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = current()

    outer = tls_context(settings)
    outer.sni_callback = swap
    return outer


def tls_context(settings: GatewaySettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert settings.tls_cert is not None
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
        if settings.tls_client_ca:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        raise InvalidInput(Problem("tls_cert", str(settings.tls_cert), f"certificates in PEM ({error})")) from None
    return context
