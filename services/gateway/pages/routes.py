"""Every page, and what their scripts send."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from services.gateway.bodies import Body
from services.gateway.door import route
from services.gateway.gateway import Gateway
from services.gateway.pages import campaigns, labelling, runs
from services.gateway.pages.login import login_page, logout
from services.gateway.pages.static_files import static_file
from services.gateway.pages.visit import CHAT, LIST_CAMPAIGNS, LIST_RUNS, STATISTICS, Show, action, page

JUDGE = "/rlhf.v1.FeedbackService/NextItem"
PAGES: tuple[tuple[str, str, Show], ...] = (
    ("/", "", campaigns.home),
    ("/campaigns", LIST_CAMPAIGNS, campaigns.show_all),
    ("/campaigns/{campaign}", STATISTICS, campaigns.show_one),
    ("/campaigns/{campaign}/label", JUDGE, labelling.show),
    ("/runs", LIST_RUNS, runs.show_all),
    ("/runs/{run}", LIST_RUNS, runs.show_one),
    ("/playground", CHAT, runs.playground),
)
ACTIONS: tuple[tuple[str, type[Body], Callable[..., Any]], ...] = (
    ("/campaigns/{campaign}/next", labelling.Who, labelling.next_item),
    ("/campaigns/{campaign}/judge", labelling.Judged, labelling.judge),
    ("/campaigns/{campaign}/undo", labelling.Undo, labelling.undo),
)


def page_routes(gateway: Gateway) -> list[Route]:
    return [
        *(route(path, page(gateway, method, show)) for path, method, show in PAGES),
        *(route(path, action(gateway, JUDGE, kind, act), ["POST"]) for path, kind, act in ACTIONS),
        route("/runs/{run}/events", runs.events(gateway)),
        route("/login", login_page(gateway), ["GET", "POST"]),
        route("/logout", logout(gateway), ["POST"]),
        route("/static/{name}", static_file),
        Route("/favicon.ico", favicon),
    ]


async def favicon(request: Request) -> Response:
    return RedirectResponse("/static/icon.svg", 308)
