"""Through which every request comes: counted, limited in number, and answered with headers that browsers keep to."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway import metrics
from services.gateway.access import Access, address
from services.gateway.errors import response_to
from services.gateway.limits import PLACE, Concurrency

# Where a request keeps which route it took, as a template: what stands in paths is nobody's label.
ROUTE = "rlhf.route"
HEALTH = "/health"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
Handler = Callable[[Request], Awaitable[Response]]
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}


def route(path: str, handler: Handler, methods: Sequence[str] = ("GET",)) -> Route:
    """One that is counted under its path."""

    async def handle(request: Request) -> Response:
        request.scope[ROUTE] = path
        return await handler(request)

    return Route(path, handle, methods=methods)


class Door:
    def __init__(self, app: ASGIApp, access: Access, concurrency: Concurrency, https: bool) -> None:
        self._app, self._access, self._concurrency = app, access, concurrency
        self._headers = {**HEADERS, **(HTTPS_ONLY if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = Answer(scope, send, self._headers)
        try:
            self._access.check_host(Request(scope))
            if scope["path"] == HEALTH:  # asks whether it lives, which it does however full it is
                await self._app(scope, receive, answer.send)
                return
            with self._concurrency.one(address(Request(scope))) as place, metrics.in_progress.track_inprogress():
                scope[PLACE] = place
                await self._app(scope, receive, answer.send)
        except Exception as error:
            if answer.status:
                raise
            await response_to(error)(scope, receive, answer.send)
        finally:
            answer.count()


class Answer:
    def __init__(self, scope: Scope, send: Send, headers: Mapping[str, str]) -> None:
        self._scope, self._send, self._headers = scope, send, headers
        self._started = time.perf_counter()
        self.status = 0  # until it is known

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
        await self._send(message)

    def count(self) -> None:
        method = self._scope["method"]
        labels = method if method in METHODS else "other", self._scope.get(ROUTE, "other")
        metrics.requests.labels(*labels, self.status).inc()
        metrics.seconds.labels(*labels).observe(time.perf_counter() - self._started)
