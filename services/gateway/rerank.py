"""The rerank endpoint that search applications call: query = prompt, documents = candidate answers."""

import uuid
from typing import Annotated, Any

import rlhf
from pydantic import BeforeValidator, Field

from services.gateway.bodies import Body, ModelName
from services.gateway.scores import MAX_TEXTS, number, sigmoid


class Document(Body):
    text: str


def as_document(given: Any) -> Any:
    return {"text": given} if isinstance(given, str) else given


class Rerank(Body):
    model: ModelName = "reward/default"
    query: Annotated[str, Field(min_length=1)]
    documents: Annotated[
        list[Annotated[Document, BeforeValidator(as_document)]], Field(min_length=1, max_length=MAX_TEXTS)
    ]
    top_n: int = Field(MAX_TEXTS, ge=1)
    return_documents: bool = True


async def rerank(body: Rerank, client: rlhf.AsyncClient) -> dict[str, Any]:
    """`relevance_score` is in 0 to 1, 0.5 for an answer as good as demonstrations are; `failed` have none."""
    ranked = await client.reward.rank(body.query, [each.text for each in body.documents], model=body.model)
    scored = [each for each in ranked if each.score.ok][: body.top_n]
    return {
        "id": f"rerank-{uuid.uuid4().hex}",
        "model": body.model,
        "results": [_result(each, body.return_documents) for each in scored],
        "failed": [{"index": each.index, "error": each.score.error} for each in ranked if not each.score.ok],
    }


def _result(ranked: rlhf.RankedResponse, with_document: bool) -> dict[str, Any]:
    result = {"index": ranked.index, "relevance_score": sigmoid(number(ranked.score)[1])}
    return result | ({"document": {"text": ranked.response}} if with_document else {})
