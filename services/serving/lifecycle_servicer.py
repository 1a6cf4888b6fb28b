"""ModelLifecycleService over a pool."""

import grpc
from grpc.aio import ServicerContext
from rlhf.v1 import lifecycle_pb2 as pb
from rlhf.v1 import lifecycle_pb2_grpc
from rlhf.v1.types_pb2 import ModelVersion

from services.serving.pool import ModelPool
from services.serving.resident import ModelState, Resident

STATES = {
    ModelState.LOADING: pb.MODEL_STATE_LOADING,
    ModelState.READY: pb.MODEL_STATE_READY,
    ModelState.FAILED: pb.MODEL_STATE_FAILED,
}


class LifecycleServicer(lifecycle_pb2_grpc.ModelLifecycleServiceServicer):
    def __init__(self, pool: ModelPool):
        self._pool = pool

    async def LoadModel(self, request: pb.LoadModelRequest, context: ServicerContext) -> pb.LoadModelResponse:
        return pb.LoadModelResponse(model=write_resident(await self._pool.load(request.model)))

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: ServicerContext) -> pb.UnloadModelResponse:
        await self._pool.unload(request.model)
        return pb.UnloadModelResponse()

    async def ListLoadedModels(
        self, request: pb.ListLoadedModelsRequest, context: ServicerContext
    ) -> pb.ListLoadedModelsResponse:
        return pb.ListLoadedModelsResponse(models=map(write_resident, self._pool.residents()))


def add_lifecycle(server: grpc.aio.Server, pool: ModelPool) -> str:
    """The service's full name."""
    lifecycle_pb2_grpc.add_ModelLifecycleServiceServicer_to_server(LifecycleServicer(pool), server)
    return pb.DESCRIPTOR.services_by_name["ModelLifecycleService"].full_name


def write_resident(resident: Resident) -> pb.LoadedModel:
    version = resident.version
    return pb.LoadedModel(
        model_version=ModelVersion(model=version.model, version=version.version, digest=version.digest),
        state=STATES[resident.state],
        error=resident.error.message if resident.error else "",
        memory_bytes=resident.memory_bytes,
    )
