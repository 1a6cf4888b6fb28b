"""A real server over a real folder of published models, for the tests of policy, reward and reference."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import torch
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.language_model.loading import save
from services.runtime.server import running
from services.storage.location import open_store
from services.storage.models import ModelStore, Version

torch.set_num_threads(1)


@dataclass
class Shelf:
    """Storage in a temporary folder."""

    folder: Path

    @property
    def models(self) -> ModelStore:
        return ModelStore(open_store(str(self.folder / "store")), self.folder / "cache")

    @property
    def options(self) -> dict[str, Any]:
        paths = {"storage": str(self.folder / "store"), "cache": self.folder / "cache"}
        return {"port": 0, "metrics_port": 0, "drain_seconds": 5.0, **paths}

    def publish(self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int = 1) -> Version:
        folder = self.folder / "made" / f"{name}-{step}"
        save(model, tokenizer, folder)
        return self.models.publish(name, folder, attempt=1, step=step)


@asynccontextmanager
async def channel_to(
    register: Callable[..., list[str]], settings: Any, registry: CollectorRegistry | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    started = partial(register, settings, registry=registry or CollectorRegistry())
    async with running("test", settings, started) as address, grpc.aio.insecure_channel(str(address)) as channel:
        yield channel


def violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    """Field to description."""
    details = BadRequest()
    for detail in status_details(error):
        if detail.Unpack(details):
            return {v.field: v.description for v in details.field_violations}
    return {}


def retry_after(error: grpc.aio.AioRpcError) -> float:
    info = RetryInfo()
    assert any(detail.Unpack(info) for detail in status_details(error))
    return info.retry_delay.ToTimedelta().total_seconds()


def status_details(error: grpc.aio.AioRpcError) -> list[Any]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    return list(status.details)
