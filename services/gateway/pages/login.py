"""People log in with their token once, and out again."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.gateway.access import address, check_origin
from services.gateway.door import Handler
from services.gateway.errors import Refused, message_of, readable, status_of
from services.gateway.gateway import Gateway
from services.gateway.pages.visit import render
from services.gateway.sessions import FIELD

FORM_BYTES = 8192


def login_page(gateway: Gateway) -> Handler:
    async def handle(request: Request) -> Response:
        if request.method == "POST":
            return await _log_in(gateway, request)
        return _form(gateway, request, request.query_params.get("next", "/"))

    return handle


def logout(gateway: Gateway) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            gateway.access.take_stranger(request)
            await _checked_form(gateway, request)
        except Exception as error:
            return _form(gateway, request, "/", readable(error))
        response = RedirectResponse("/login", 303)
        gateway.sessions.end(response)
        return response

    return handle


async def _log_in(gateway: Gateway, request: Request) -> Response:
    back = "/"
    try:
        gateway.logins.take(address(request))
        fields = await _checked_form(gateway, request)
        back, token = fields.get("next", "/"), fields.get("token", "").strip()
        if not gateway.access.known(token):
            raise Refused(401, "This token is not known here. It may have been replaced, or a part of it is missing.")
    except Exception as error:
        return _form(gateway, request, back, readable(error))
    response = RedirectResponse(on_this_host(back), 303)
    gateway.sessions.begin(response, token)
    return response


async def _checked_form(gateway: Gateway, request: Request) -> dict[str, str]:
    check_origin(request)
    body = await gateway.body(request, FORM_BYTES)
    fields = {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}
    gateway.sessions.check_form(request, fields.get(FIELD, ""))
    return fields


def _form(gateway: Gateway, request: Request, back: str, error: Exception | None = None) -> Response:
    status, message = (status_of(error)[0], message_of(error)) if error else (200, "")
    needless = gateway.access.open_to_all
    return render(gateway, request, "login.html.jinja", status, back=back, message=message, needless=needless)


def on_this_host(path: str) -> str:
    """Where to go on; never to another site, however the address is written."""
    plain = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if plain else "/"
