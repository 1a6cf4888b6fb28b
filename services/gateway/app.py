"""The HTTP application: endpoints for programs, pages for people."""

import os
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from services.gateway.door import HEALTH, Door, route
from services.gateway.endpoints import ENDPOINTS, handler
from services.gateway.errors import Refused, response_to
from services.gateway.gateway import Gateway
from services.gateway.openapi import document
from services.gateway.pages.routes import page_routes
from services.gateway.pages.visit import refusal
from services.gateway.settings import GatewaySettings


def open_gateway(settings: GatewaySettings, environ: Mapping[str, str] = os.environ) -> tuple[ASGIApp, Gateway]:
    """Raises InvalidInput for tokens that cannot be read."""
    gateway = Gateway(settings, environ)
    described = JSONResponse(document())

    async def openapi(request: Request) -> Response:
        return described

    routes = [
        *(route(each.path, handler(each, gateway), [each.method]) for each in ENDPOINTS),
        route("/openapi.json", openapi),
        route(HEALTH, health),
        *page_routes(gateway),
    ]

    async def unrouted(request: Request, error: Exception) -> Response:
        """No such path, or another method there: in words for people, in JSON for programs."""
        assert isinstance(error, HTTPException)
        refused = Refused(error.status_code, f"{request.method} {request.url.path[:200]}: {error.detail}")
        wants_page = "text/html" in request.headers.get("accept", "")
        return refusal(gateway, request, refused) if wants_page else response_to(refused)

    app = Starlette(routes=routes, exception_handlers={HTTPException: unrouted})
    return Door(app, gateway.access, gateway.concurrency, settings.secure_cookies), gateway


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})
