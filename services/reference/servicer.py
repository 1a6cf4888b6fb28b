"""ReferenceService over gRPC: decode, call, encode."""

from grpc.aio import ServicerContext
from rlhf.v1 import reference_pb2 as pb
from rlhf.v1 import reference_pb2_grpc
from rlhf.v1.types_pb2 import ModelVersion

from services.reference.reference import Reference, TokenSequence


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
