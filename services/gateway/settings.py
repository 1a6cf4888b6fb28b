"""Settings of the gateway."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.runtime.errors import Problem
from services.runtime.settings import ListenSettings, not_positive

# A key for cookies is as hard to guess as a token.
MIN_KEY_LENGTH = 32


@dataclass(frozen=True)
class GatewaySettings(ListenSettings):
    port: int = 8080
    metrics_port: int = 9080
    policy: str = "127.0.0.1:50051"
    reward: str = "127.0.0.1:50052"
    trainer: str = "127.0.0.1:50054"
    feedback: str = "127.0.0.1:50055"
    https: bool = False  # people reach it over HTTPS, by tls_cert or by a proxy's: cookies go nowhere else
    # Of people's sessions; all replicas share it. Without one, sessions end with the process.
    session_key: str = field(default="", repr=False, metadata={"variable": "RLHF_SESSION_KEY"})
    session_hours: float = 12.0
    max_body_mib: float = 8.0
    max_requests: int = 512  # in progress at once; more are refused with a retry hint
    requests_of_one: int = 256  # of these, one client's share
    max_connections: int = 2048  # open at once; who comes then is hung up on
    connections_of_one: int = 512  # of these, one address's share: raise it behind a proxy
    head_seconds: float = 20.0  # how long a connection may be open before it asks for something
    unread_seconds: float = 60.0  # how long a client may leave what was sent to it
    idle_seconds: float = 75.0  # how long it is kept for the next request
    requests_per_second: float = 200.0  # of one client, over a longer time
    request_burst: int = 1000  # that one client may send at once
    logins_per_minute: float = 20.0  # from one address
    body_seconds: float = 30.0  # how long a request's body may take to arrive

    @property
    def secure_cookies(self) -> bool:
        return self.https or self.tls_cert is not None

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from not_positive(self, "session_hours", "max_body_mib", "max_requests", "body_seconds")
        yield from not_positive(self, "requests_of_one", "max_connections", "connections_of_one")
        yield from not_positive(self, "head_seconds", "unread_seconds", "idle_seconds")
        yield from not_positive(self, "requests_per_second", "request_burst", "logins_per_minute")
        if self.session_key and len(self.session_key) < MIN_KEY_LENGTH:
            yield Problem("RLHF_SESSION_KEY", "a short key", f"{MIN_KEY_LENGTH} random characters or more")
