"""A control plane that waits for its turn: it lives, and is not ready."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from services.runtime.server import NOT_SERVING, OPTIONS, SERVING
from services.trainer.settings import TrainerSettings

SERVICE = "rlhf.v1.TrainerService"


@asynccontextmanager
async def standby(settings: TrainerSettings) -> AsyncIterator[None]:
    """Answers probes on `health_port`, for as long as the block runs. Other calls find nobody yet."""
    if settings.health_port < 0:
        yield
        return
    server, health = grpc.aio.server(options=OPTIONS), HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await health.set("", SERVING)
    await health.set(SERVICE, NOT_SERVING)
    server.add_insecure_port(f"{settings.host}:{settings.health_port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)
