"""ReferenceService over gRPC: decode, call, encode."""

from functools import partial

import grpc
from grpc.aio import ServicerContext
from prometheus_client import REGISTRY, CollectorRegistry
from rlhf.v1 import reference_pb2 as pb
from rlhf.v1 import reference_pb2_grpc
from rlhf.v1.types_pb2 import ModelVersion

from services.reference.metrics import reference_metrics
from services.reference.reference import Reference, TokenSequence, load_frozen
from services.reference.settings import ReferenceSettings
from services.serving.devices import device_of
from services.serving.lifecycle_servicer import add_lifecycle
from services.serving.models import model_thread, open_pool


class ReferenceServicer(reference_pb2_grpc.ReferenceServiceServicer):
    def __init__(self, reference: Reference):
        self._reference = reference

    async def LogProbs(self, request: pb.LogProbsRequest, context: ServicerContext) -> pb.LogProbsResponse:
        sequences = [TokenSequence(list(s.prompt_ids), list(s.response_ids)) for s in request.sequences]
        version, results = await self._reference.log_probs(
            request.model,
            sequences,
            request.temperature,
            deterministic=request.deterministic,
        )
        return pb.LogProbsResponse(
            sequences=[pb.ResponseLogProbs(log_probs=row) for row in results],
            model_version=ModelVersion(model=version.model, version=version.version, digest=version.digest),
        )


def register(settings: ReferenceSettings, server: grpc.aio.Server, registry: CollectorRegistry = REGISTRY) -> list[str]:
    """The full names of what the server answers from now on."""
    metrics = reference_metrics(registry)
    pool = open_pool(settings, metrics, partial(load_frozen, device=device_of(settings.device)))
    servicer = ReferenceServicer(Reference(pool, model_thread(settings), settings, metrics))
    reference_pb2_grpc.add_ReferenceServiceServicer_to_server(servicer, server)
    return [pb.DESCRIPTOR.services_by_name["ReferenceService"].full_name, add_lifecycle(server, pool)]
