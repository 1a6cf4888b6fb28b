"""Connections to the services: balanced over replicas, with the credentials of the moment."""

import ipaddress
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from rlhf.credentials import Credentials, Shown
from rlhf.errors import InvalidInputError, Problem

Option = tuple[str, Any]
Metadata = Sequence[tuple[str, str]]

BALANCING: tuple[Option, ...] = (
    # Replicas take turns. A server ends its connections every few minutes, and a name is looked up again whenever
    # one ends; gRPC would leave 30 s between two such looks, in which a replica that is gone is not replaced.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.dns_min_time_between_resolutions_ms", 2_000),
)
SCHEME = re.compile(r"(?:(dns|ipv4|ipv6|unix|unix-abstract):)?(?://[^/]*/)?(.*)", re.DOTALL)


def is_loopback(address: str) -> bool:
    """Whether a target, as gRPC takes it, cannot be on another machine. What is in doubt is not."""
    scheme, places = SCHEME.fullmatch(address).groups()  # type: ignore[union-attr]
    if scheme in ("unix", "unix-abstract"):
        return True
    return all(map(_is_this_machine, places.split(",")))


def _is_this_machine(place: str) -> bool:
    host = place.removeprefix("[").split("]")[0] if place.startswith("[") else place.rsplit(":", 1)[0]
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Opened:
    """A channel, the credentials that it was made with, and its methods by kind and path."""

    channel: Any
    security: grpc.ChannelCredentials | None
    methods: dict[tuple[str, str], Any] = field(default_factory=dict)


class Connection:
    """What the generated stubs take as a channel; `transport` is `grpc` or `grpc.aio`.

    Each call carries the token of the moment. When a certificate's file changes, later calls go over a new channel,
    as Python's gRPC cannot renew those of an open one; calls under way end on the old one. Raises InvalidInputError
    for a token that would leave this machine in plaintext.
    """

    def __init__(
        self, address: str, credentials: Credentials, options: Sequence[Option], transport: Any = grpc
    ) -> None:
        _refuse_plaintext_token(address, credentials)
        # A proxy named by the environment cannot reach this machine's own loopback.
        direct: list[Option] = [("grpc.enable_http_proxy", 0)] if is_loopback(address) else []
        self._address, self._options = address, [*BALANCING, *options, *direct]
        self._transport = transport
        self._shown = Shown(credentials)
        self._opened: Opened | None = None
        self._lock = threading.Lock()

    def unary_unary(self, path: str, *args: Any, **kwargs: Any) -> "Method":
        return Method(self, "unary_unary", path, args, kwargs)

    def unary_stream(self, path: str, *args: Any, **kwargs: Any) -> "Method":
        return Method(self, "unary_stream", path, args, kwargs)

    def stream_unary(self, path: str, *args: Any, **kwargs: Any) -> "Method":
        return Method(self, "stream_unary", path, args, kwargs)

    def stream_stream(self, path: str, *args: Any, **kwargs: Any) -> "Method":
        return Method(self, "stream_stream", path, args, kwargs)

    def metadata(self) -> Metadata:
        return self._shown.metadata()

    def opened(self) -> Opened:
        """The channel for the next call."""
        with self._lock:
            security, opened = self._shown.security(), self._opened
            if opened is None or opened.security is not security:
                opened = self._opened = Opened(self._new_channel(security), security)
            return opened

    def close(self) -> Any:
        """Of a `grpc.aio` channel: to be awaited, unless it is None. What is under way is cancelled."""
        opened, self._opened = self._opened, None
        return opened.channel.close() if opened else None

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new_channel(self, security: grpc.ChannelCredentials | None) -> Any:
        if security is None:
            return self._transport.insecure_channel(self._address, self._options)
        return self._transport.secure_channel(self._address, security, self._options)


@dataclass(frozen=True)
class Method:
    """One method of a service, as stubs hold it."""

    connection: Connection
    kind: str
    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, request: Any, metadata: Metadata = (), **how: Any) -> Any:
        return self._current()(request, metadata=(*self.connection.metadata(), *metadata), **how)

    def with_call(self, request: Any, metadata: Metadata | None = None, **how: Any) -> Any:
        """Of `grpc` alone, and what its interceptors go on with: the answer, and the call that brought it."""
        return self._current().with_call(request, metadata=(*self.connection.metadata(), *(metadata or ())), **how)

    def future(self, request: Any, metadata: Metadata = (), **how: Any) -> Any:
        """Of `grpc` alone: the call goes on in threads of its own."""
        return self._current().future(request, metadata=(*self.connection.metadata(), *metadata), **how)

    def _current(self) -> Any:
        opened, key = self.connection.opened(), (self.kind, self.path)
        if key not in opened.methods:
            opened.methods[key] = getattr(opened.channel, self.kind)(self.path, *self.args, **self.kwargs)
        return opened.methods[key]


def _refuse_plaintext_token(address: str, credentials: Credentials) -> None:
    plaintext = credentials.ca is None and not credentials.allow_plaintext_token
    if credentials.has_token and plaintext and not is_loopback(address):
        instead = "a ca for TLS, or allow_plaintext_token on a network that nobody else can read"
        raise InvalidInputError(Problem("ca", f"got none, but a token for {address}, expected {instead}"))
