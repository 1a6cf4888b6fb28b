"""OpenAI's list of models: what this system can serve."""

from collections.abc import Iterator
from typing import Any

import rlhf

from services.runtime.errors import NotFound

KINDS = {"ForCausalLM": "policy", "ForSequenceClassification": "reward"}


async def list_models(client: rlhf.AsyncClient) -> dict[str, Any]:
    return {"object": "list", "data": list(entries(await client.models.list()))}


async def one_model(name: str, client: rlhf.AsyncClient) -> dict[str, Any]:
    known = await client.models.list()
    for entry in (*entries(known), *(_entry(str(model), model) for model in known)):
        if entry["id"] == name:
            return entry
    raise NotFound("model", name, [entry["id"] for entry in entries(known)])


def entries(models: list[rlhf.Model]) -> Iterator[dict[str, Any]]:
    """By what callers name them: aliases first, then each name for its newest version. `models` is newest first."""
    aliases = {alias: model for model in models for alias in model.aliases}
    newest: dict[str, rlhf.Model] = {}
    for model in models:
        newest.setdefault(model.model, model)
    for name, model in {**dict(sorted(aliases.items())), **newest}.items():
        yield _entry(name, model)


def kind(model: rlhf.Model) -> str:
    return next((kind for ending, kind in KINDS.items() if model.architecture.endswith(ending)), "other")


def _entry(name: str, model: rlhf.Model) -> dict[str, Any]:
    """OpenAI's fields, and what it is."""
    opened = {"id": name, "object": "model", "created": int(model.created_at.timestamp()), "owned_by": "rlhf"}
    return opened | {"version": str(model), "digest": model.digest, "kind": kind(model)}
