"""Who asks, and whether by a page of this gateway's own."""

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from services.gateway.errors import Refused
from services.gateway.limits import RateLimit
from services.gateway.sessions import HEADER, Sessions
from services.runtime.errors import Unauthenticated
from services.runtime.identity import Gate, Identity, Role
from services.runtime.settings import is_loopback

READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Caller:
    identity: Identity
    token: str  # that the services behind are shown; empty where they ask for none


class Access:
    """`open_to_all`: no tokens are configured, and this machine alone can connect."""

    def __init__(self, gate: Gate, open_to_all: bool, sessions: Sessions, rate: RateLimit) -> None:
        self.open_to_all = open_to_all
        self._gate, self._sessions, self._rate = gate, sessions, rate

    def admit(self, request: Request, roles: Collection[Role]) -> Caller:
        """Raises Unauthenticated, PermissionDenied, Overloaded, or Refused for what another site's page may send."""
        check_origin(request)
        sent = sent_token(request)
        token = sent or self._sessions.token(request)
        try:
            what = f"{request.method} {request.url.path}"
            identity = self._gate.admit(f"Bearer {token}" if token else None, roles, what)
        except Unauthenticated:
            self._rate.take(f"address {address(request)}")
            raise
        self._rate.take(f"address {address(request)}" if self.open_to_all else f"name {identity.name}")
        if not (sent or self.open_to_all or request.method in READING):
            self._sessions.check_form(request, request.headers.get(HEADER, ""))
        return Caller(identity, token)

    def known(self, token: str) -> bool:
        try:
            self._gate.admit(f"Bearer {token}", list(Role), "a session")
        except Unauthenticated:
            return False
        return True

    def check_host(self, request: Request) -> None:
        """Without tokens, no name but this machine's own: another site's name may be made to point here."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if self.open_to_all and not is_loopback(host):
            raise Refused(
                421, f"host: got {host[:100]!r}, expected localhost or 127.0.0.1, where no tokens are asked for"
            )


def address(request: Request) -> str:
    return request.client.host if request.client else "nowhere"


def sent_token(request: Request) -> str:
    """From `Authorization: Bearer TOKEN`, or the password of `http://name:TOKEN@host`, as some clients know no more."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("authorization: got an unreadable one, expected `Bearer TOKEN`") from None


def check_origin(request: Request) -> None:
    """Browsers say which site's page sends something; other clients say nothing."""
    origin = request.headers.get("origin")
    if request.method in READING or origin is None:
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise Refused(403, f"origin: got {origin[:100]!r}, expected a page of this gateway")
