"""Tells the control plane how far the attempt is; a dead one is no reason to stop."""

import logging

import grpc
from rlhf.connections import Connection
from rlhf.v1 import trainer_pb2 as pb
from rlhf.v1 import trainer_pb2_grpc

from services.trainer.attempts import Step

TIMEOUT_SECONDS = 3.0

log = logging.getLogger(__name__)


class Progress:
    """Called with a step, or with None for a heartbeat; True when the attempt has to stop.

    What is not delivered is not sent again: the control plane reads it from storage when it is back.
    """

    def __init__(self, channel: Connection, run_id: str, attempt: int, metrics_address: str = "") -> None:
        self._stub = trainer_pb2_grpc.WorkerServiceStub(channel)
        self._run_id, self._attempt, self._metrics_address = run_id, attempt, metrics_address
        self._reachable = True

    def __call__(self, step: Step | None) -> bool:
        request = pb.ReportProgressRequest(
            run_id=self._run_id,
            attempt=self._attempt,
            step=write_step(step),
            metrics_address=self._metrics_address,
        )
        try:
            answer = self._stub.ReportProgress(request, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            if self._reachable:
                log.warning("the control plane does not answer (%s); training goes on", error.code())
            self._reachable = False
            return False
        self._reachable = True
        return answer.stop


def write_step(step: Step | None) -> pb.StepMetrics | None:
    if step is None:
        return None
    return pb.StepMetrics(stage=step.stage, step=step.step, total_steps=step.total_steps, metrics=step.metrics)
