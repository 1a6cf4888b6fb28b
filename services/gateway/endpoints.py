"""The endpoints for programs: a row for each, from which routes and the OpenAPI document are made."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import rlhf
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.gateway.best_of_n import BestOfN, best_of_n
from services.gateway.bodies import Body, Named, check_json
from services.gateway.chat import ChatCompletion, chat
from services.gateway.classify import Classify, classify
from services.gateway.door import Handler
from services.gateway.errors import response_to
from services.gateway.gateway import Gateway
from services.gateway.get_reward import GetReward, get_reward
from services.gateway.hanging_up import unless_hung_up
from services.gateway.models import list_models, one_model
from services.gateway.rerank import Rerank, rerank
from services.runtime.permissions import roles_for

GENERATE, SCORE, RANK = "PolicyService/Generate", "RewardService/Score", "RewardService/Rank"
LIST_MODELS = "CatalogService/ListModels"


@dataclass(frozen=True)
class Endpoint:
    """`rpc` is the call behind it, which decides whose roles may use it."""

    path: str
    summary: str
    rpc: str
    answer: Callable[..., Awaitable[dict[str, Any] | Response]]
    body: type[Body] | None = None

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"


ENDPOINTS = (
    Endpoint("/v1/chat/completions", "Chat with a model, as OpenAI's clients do", GENERATE, chat, ChatCompletion),
    Endpoint("/v1/models", "Models by alias and name", LIST_MODELS, list_models),
    Endpoint("/v1/models/{model:path}", "One model, alias or version", LIST_MODELS, one_model),
    Endpoint("/v1/best_of_n", "Several answers, best first", RANK, best_of_n, BestOfN),
    Endpoint("/v1/rerank", "Documents sorted by how well they answer the query", RANK, rerank, Rerank),
    Endpoint("/classify", "Rewards of texts or of an answer, as from vLLM", SCORE, classify, Classify),
    Endpoint("/get_reward", "Rewards of texts, as OpenRLHF asks for them", SCORE, get_reward, GetReward),
)


def handler(endpoint: Endpoint, gateway: Gateway) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            found = await _answer(endpoint, gateway, request)
        except Exception as error:
            return response_to(error)
        return found if isinstance(found, Response) else JSONResponse(found)

    return handle


async def _answer(endpoint: Endpoint, gateway: Gateway, request: Request) -> dict[str, Any] | Response:
    caller = gateway.access.admit(request, roles_for(f"/rlhf.v1.{endpoint.rpc}"))
    client: rlhf.AsyncClient = await gateway.clients.of(caller.token)
    if endpoint.body is None:
        return await unless_hung_up(request, endpoint.answer(*request.path_params.values(), client=client))
    check_json(request)
    body = endpoint.body.parse(await gateway.body(request))
    return await unless_hung_up(request, endpoint.answer(with_model(body, request), client))


def with_model(body: Body, request: Request) -> Body:
    """`?model=` in the address is for clients that can name no model, as OpenRLHF's cannot."""
    model = request.query_params.get("model")
    if not model:
        return body
    named = Named.parse(json.dumps({"model": model}).encode())
    return body.model_copy(update={"model": named.model})
