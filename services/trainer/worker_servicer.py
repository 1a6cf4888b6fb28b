"""WorkerService over gRPC: what workers tell the control plane."""

from grpc.aio import Server, ServicerContext
from rlhf.v1 import trainer_pb2 as pb
from rlhf.v1 import trainer_pb2_grpc

from services.trainer.attempts import Step
from services.trainer.control import Control


class WorkerServicer(trainer_pb2_grpc.WorkerServiceServicer):
    def __init__(self, control: Control) -> None:
        self._control = control

    async def ReportProgress(
        self, request: pb.ReportProgressRequest, context: ServicerContext
    ) -> pb.ReportProgressResponse:
        step = decode_step(request.step) if request.HasField("step") else None
        stop = await self._control.report(request.run_id, request.attempt, step, request.metrics_address)
        return pb.ReportProgressResponse(stop=stop)


def add_worker(server: Server, control: Control) -> str:
    """Returns the service's full name."""
    trainer_pb2_grpc.add_WorkerServiceServicer_to_server(WorkerServicer(control), server)
    return pb.DESCRIPTOR.services_by_name["WorkerService"].full_name


def decode_step(message: pb.StepMetrics) -> Step:
    return Step(message.stage, message.step, message.total_steps, dict(message.metrics))
