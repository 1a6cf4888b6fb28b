"""Who asks, and whether by a page of this gateway's own."""

import base64
import binascii
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from starlette.requests import Request

from services.gateway.errors import Refused
from services.gateway.limits import PLACE, RateLimit
from services.gateway.sessions import HEADER, Sessions
from services.runtime.errors import PermissionDenied, Unauthenticated
from services.runtime.identity import Gate, Identity, Role
from services.runtime.settings import is_loopback

READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Caller:
    identity: Identity
    token: str  # that the services behind are shown; empty where they ask for none


class Access:
    """`open_to_all`: no tokens are configured, and this machine alone can connect.

    `rate` is of those who are known, `strangers` of addresses: nobody who makes up addresses can make the gateway
    forget a known client.
    """

    def __init__(
        self, gate: Gate, open_to_all: bool, sessions: Sessions, rate: RateLimit, strangers: RateLimit
    ) -> None:
        self.open_to_all = open_to_all
        self._gate, self._sessions, self._rate, self._strangers = gate, sessions, rate, strangers

    def admit(self, request: Request, roles: Collection[Role]) -> Caller:
        """Raises Unauthenticated, PermissionDenied, Overloaded, or Refused for what another site's page may send."""
        check_origin(request)
        try:
            sent = sent_token(request)
            token = sent or self._sessions.token(request)
            what = f"{request.method} {request.url.path}"
            identity = self._gate.admit(f"Bearer {token}" if token else None, roles, what)
        except (Unauthenticated, PermissionDenied):
            self.take_stranger(request)
            raise
        if self.open_to_all:
            self.take_stranger(request)
        else:
            self._rate.take(identity.name)
            request.scope[PLACE].belongs_to(identity.name)
        if not (sent or self.open_to_all or request.method in READING):
            self._sessions.check_form(request, request.headers.get(HEADER, ""))
        return Caller(identity, token)

    def take_stranger(self, request: Request) -> None:
        """Raises Overloaded where too many requests come from that address."""
        self._strangers.take(address(request))

    def known(self, token: str) -> bool:
        try:
            self._gate.admit(f"Bearer {token}", list(Role), "a session")
        except Unauthenticated:
            return False
        return True

    def check_host(self, request: Request) -> None:
        """Without tokens, no name but this machine's own: another site's name may be made to point here."""
        host = _parsed(f"//{request.headers.get('host', '')}").hostname or ""
        if self.open_to_all and not is_loopback(host):
            raise Refused(
                421, f"host: got {host[:100]!r}, expected localhost or 127.0.0.1, where no tokens are asked for"
            )


def address(request: Request) -> str:
    return network(request.client.host) if request.client else "nowhere"


def network(host: str) -> str:
    """Who has one address of IPv6 has 2 ** 64 of them."""
    try:
        given = ipaddress.ip_address(host)
    except ValueError:
        return host
    if given.version == 4 or given.ipv4_mapped:
        return str(given)
    return str(ipaddress.ip_network((int(given) >> 64 << 64, 64)))


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
    if _parsed(origin).netloc != request.headers.get("host"):
        raise Refused(403, f"origin: got {origin[:100]!r}, expected a page of this gateway")


def _parsed(url: str) -> SplitResult:
    """Of nothing where it is no address."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
