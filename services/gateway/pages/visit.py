"""A request for a page, or from one: who asks, the services in their name, and the answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import rlhf
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from services.gateway.access import Caller
from services.gateway.bodies import BodyT, check_json
from services.gateway.door import Handler
from services.gateway.errors import message_of, readable, response_to, status_of
from services.gateway.gateway import Gateway
from services.gateway.pages.markdown import to_html
from services.gateway.pages.static_files import plotly_map_styles
from services.gateway.sessions import HEADER
from services.runtime.identity import Role
from services.runtime.permissions import roles_for

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["markdown"] = to_html
TEMPLATES.globals["plotly_map_styles"] = plotly_map_styles
LIST_CAMPAIGNS, STATISTICS = "/rlhf.v1.FeedbackService/ListCampaigns", "/rlhf.v1.FeedbackService/GetStatistics"
LIST_RUNS, CHAT = "/rlhf.v1.TrainerService/ListRuns", "/rlhf.v1.PolicyService/GenerateStream"
SECTIONS = (
    ("/campaigns", "Campaigns", LIST_CAMPAIGNS),
    ("/runs", "Runs", LIST_RUNS),
    ("/playground", "Playground", CHAT),
)


@dataclass(frozen=True)
class Visit:
    request: Request
    gateway: Gateway
    caller: Caller
    client: rlhf.AsyncClient

    @property
    def path(self) -> dict[str, str]:
        return self.request.path_params

    def may(self, method: str) -> bool:
        return self.caller.identity.role in roles_for(method)

    def render(self, template: str, **values: Any) -> Response:
        role = self.caller.identity.role
        sections = [(path, title) for path, title, method in SECTIONS if role in roles_for(method)]
        person = "" if self.gateway.access.open_to_all else self.caller.identity.name
        return render(self.gateway, self.request, template, sections=sections, person=person, **values)


def render(gateway: Gateway, request: Request, template: str, status: int = 200, **values: Any) -> Response:
    nonce = gateway.sessions.nonce(request)
    given = {
        "sections": [],
        "person": "",
        "here": request.url.path,
        "form_token": gateway.sessions.form_token(request, nonce),
    }
    response = HTMLResponse(TEMPLATES.get_template(template).render(given | values), status)
    gateway.sessions.keep_nonce(response, nonce)
    return response


Show = Callable[[Visit], Awaitable[Response]]


def page(gateway: Gateway, method: str, show: Show) -> Handler:
    """For those who may make the call `method`. Who is not known yet is asked to log in, and comes back."""

    async def handle(request: Request) -> Response:
        try:
            return await show(await visit(gateway, request, method))
        except Exception as error:
            return refusal(gateway, request, readable(error))

    return handle


def action(gateway: Gateway, method: str, kind: type[BodyT], act: Callable[[Visit, BodyT], Any]) -> Handler:
    """What a page's script sends: JSON there and back, with the page's own form token."""

    async def handle(request: Request) -> Response:
        try:
            visited = await visit(gateway, request, method)
            gateway.sessions.check_form(request, request.headers.get(HEADER, ""))
            check_json(request)
            return JSONResponse(await act(visited, kind.parse(await gateway.body(request))))
        except Exception as error:
            return response_to(error)

    return handle


async def visit(gateway: Gateway, request: Request, method: str) -> Visit:
    caller = gateway.access.admit(request, roles_for(method) if method else frozenset(Role))
    return Visit(request, gateway, caller, await gateway.clients.of(caller.token))


def refusal(gateway: Gateway, request: Request, error: Exception) -> Response:
    status = status_of(error)[0]
    if status == 401:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(here)}", 303)
    return render(gateway, request, "error.html.jinja", status, code=status, message=message_of(error))
