"""What requests share."""

from collections.abc import Mapping

from starlette.requests import Request

from services.gateway.access import Access
from services.gateway.bodies import read_bytes
from services.gateway.clients import Clients
from services.gateway.limits import Concurrency, RateLimit
from services.gateway.sessions import Sessions
from services.gateway.settings import GatewaySettings
from services.runtime.identity import open_gate


class Gateway:
    def __init__(self, settings: GatewaySettings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.sessions = Sessions(settings)
        self.rate = RateLimit(settings.requests_per_second, settings.request_burst)
        self.logins = RateLimit(settings.logins_per_minute / 60, settings.logins_per_minute)
        strangers = RateLimit(settings.requests_per_second, settings.request_burst)
        self.access = Access(open_gate(settings), not settings.wants_tokens, self.sessions, self.rate, strangers)
        self.clients = Clients(settings, environ, self.access.known)
        self.concurrency = Concurrency(settings.max_requests, settings.requests_of_one)

    async def body(self, request: Request, limit: int | None = None) -> bytes:
        limit = limit or round(self.settings.max_body_mib * 2**20)
        return await read_bytes(request, limit, self.settings.body_seconds)
