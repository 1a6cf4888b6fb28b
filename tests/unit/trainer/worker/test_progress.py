"""Against a real WorkerService server."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from rlhf.v1 import trainer_pb2 as pb
from rlhf.v1 import trainer_pb2_grpc

from services.trainer.attempts import Step
from services.trainer.worker import progress as module
from services.trainer.worker.progress import Progress


class ControlPlane(trainer_pb2_grpc.WorkerServiceServicer):
    def __init__(self) -> None:
        self.told: list[pb.ReportProgressRequest] = []
        self.stop = False

    def ReportProgress(self, request: pb.ReportProgressRequest, context: object) -> pb.ReportProgressResponse:
        self.told.append(request)
        return pb.ReportProgressResponse(stop=self.stop)


@pytest.fixture
def plane() -> ControlPlane:
    return ControlPlane()


@pytest.fixture
def channel(plane: ControlPlane) -> Iterator[grpc.Channel]:
    server = grpc.server(ThreadPoolExecutor(1))
    trainer_pb2_grpc.add_WorkerServiceServicer_to_server(plane, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None)


def test_a_step_and_a_heartbeat_arrive(channel: grpc.Channel, plane: ControlPlane) -> None:
    progress = Progress(channel, "run-7", 2)
    assert progress(Step("ppo", 3, 60, {"reward": 0.5})) is False
    assert progress(None) is False
    step, heartbeat = plane.told
    expected = pb.StepMetrics(stage="ppo", step=3, total_steps=60, metrics={"reward": 0.5})
    assert step == pb.ReportProgressRequest(run_id="run-7", attempt=2, step=expected)
    assert not heartbeat.HasField("step")


def test_the_answer_may_be_to_stop(channel: grpc.Channel, plane: ControlPlane) -> None:
    plane.stop = True
    assert Progress(channel, "run-7", 1)(None) is True


def test_a_dead_control_plane_is_named_once_and_survived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with grpc.insecure_channel("127.0.0.1:1") as nobody, caplog.at_level(logging.WARNING):
        progress = Progress(nobody, "run-7", 1)
        assert [progress(None), progress(Step("sft", 1, 2, {})), progress(None)] == [False] * 3
    (said,) = [record.message for record in caplog.records]
    assert said.startswith("the control plane does not answer")
    assert said.endswith("training goes on")
