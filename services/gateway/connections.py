"""Connections: how many there may be, from whom, and for how long without a request."""

import asyncio
import logging
import resource
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.gateway.access import network
from services.runtime.errors import Conflict

WAITING = 2048  # for the gateway to accept them
SPARE_FILES = 256  # beside connections

log = logging.getLogger(__name__)


class Connections:
    """`most` at once, and `of_one` from each address."""

    def __init__(self, most: int, of_one: int) -> None:
        self._most, self._of_one, self._open = most, of_one, Counter[str]()

    def enter(self, address: str) -> bool:
        """Whether there is room for one more."""
        if self._open.total() >= self._most or self._open[address] >= self._of_one:
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class Connection(socket.socket):
    on_close: Callable[[], None] | None = None

    def close(self) -> None:
        super().close()
        if on_close := self.on_close:
            self.on_close = None
            on_close()


class Listener(socket.socket):
    """Hangs up on whoever there is no room for, before a byte is read or a TLS handshake begun."""

    connections: Connections

    def accept(self) -> tuple[Connection, Any]:
        accepted, peer = super().accept()
        address = network(peer[0])
        if not self.connections.enter(address):
            accepted.close()
            raise ConnectionAbortedError  # asyncio goes on
        connection = Connection(accepted.family, accepted.type, accepted.proto, accepted.detach())
        connection.on_close = lambda: self.connections.leave(address)
        return connection, peer


def listen(host: str, port: int, connections: Connections) -> Listener:
    """Raises Conflict where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host.strip("[]"), port), family=family, backlog=WAITING)
    except OSError as error:
        raise Conflict(f"cannot listen on {host}:{port}: {error}") from error
    listener = Listener(opened.family, opened.type, opened.proto, opened.detach())
    listener.connections = connections
    return listener


def allow_files(connections: int) -> None:
    """Each is an open file, of which the system may allow this process fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("%d connections want %d open files, and the system allows %d", connections, wanted, allowed)


class Alarm:
    """Calls after so many seconds, unless it is stopped before. To start one that runs changes nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, call: Callable[[], None]) -> None:
        self._loop, self._seconds, self._call = loop, seconds, call
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._call)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


class Protocol(H11Protocol):
    """HTTP/1.1 that gives a connection `head_seconds` to ask for something, whatever else it sends meanwhile, and
    `unread_seconds` to take what was sent, of which a piece more is kept ready and no more."""

    def __init__(self, *given: Any, head_seconds: float, unread_seconds: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self._silent = Alarm(self.loop, head_seconds, lambda: self.transport.close())
        self._unread = Alarm(self.loop, unread_seconds, lambda: self.transport.abort())

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.start()

    def resume_writing(self) -> None:
        self._unread.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._silent.stop()
        self._unread.stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle and not self.cycle.response_complete:
            self._silent.stop()
        else:
            self._silent.start()
