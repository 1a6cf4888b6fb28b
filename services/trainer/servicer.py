"""TrainerService over gRPC: decode, call, encode."""

import asyncio
from collections.abc import AsyncIterator

from grpc.aio import Server, ServicerContext
from rlhf.v1 import trainer_pb2 as pb
from rlhf.v1 import trainer_pb2_grpc
from rlhf.v1.types_pb2 import ModelVersion

from services.storage.dataset_specs import encode_time
from services.trainer import specs
from services.trainer.attempts import StageOutcome
from services.trainer.control import Control
from services.trainer.events import Event
from services.trainer.history import Happening
from services.trainer.records import Progress, RunState, Transition
from services.trainer.runs import Run
from services.trainer.streams import until

STATES = {
    RunState.QUEUED: pb.RUN_STATE_QUEUED,
    RunState.RUNNING: pb.RUN_STATE_RUNNING,
    RunState.SUCCEEDED: pb.RUN_STATE_SUCCEEDED,
    RunState.FAILED: pb.RUN_STATE_FAILED,
    RunState.CANCELLED: pb.RUN_STATE_CANCELLED,
}


class TrainerServicer(trainer_pb2_grpc.TrainerServiceServicer):
    def __init__(self, control: Control, stopping: asyncio.Event) -> None:
        self._control = control
        self._stopping = stopping

    async def CreateRun(self, request: pb.CreateRunRequest, context: ServicerContext) -> pb.CreateRunResponse:
        spec, refused = specs.decode(request.spec), specs.refused(request.spec)
        run = await self._control.create(spec, request.request_id, list(refused))
        return pb.CreateRunResponse(run=encode_run(run))

    async def GetRun(self, request: pb.GetRunRequest, context: ServicerContext) -> pb.GetRunResponse:
        return pb.GetRunResponse(run=encode_run(self._control.get(request.run_id)))

    async def ListRuns(self, request: pb.ListRunsRequest, context: ServicerContext) -> pb.ListRunsResponse:
        return pb.ListRunsResponse(runs=[encode_run(run) for run in self._control.newest_first()])

    async def CancelRun(self, request: pb.CancelRunRequest, context: ServicerContext) -> pb.CancelRunResponse:
        return pb.CancelRunResponse(run=encode_run(await self._control.cancel(request.run_id)))

    async def ResumeRun(self, request: pb.ResumeRunRequest, context: ServicerContext) -> pb.ResumeRunResponse:
        return pb.ResumeRunResponse(run=encode_run(await self._control.resume(request.run_id)))

    async def WatchRun(
        self, request: pb.WatchRunRequest, context: ServicerContext
    ) -> AsyncIterator[pb.WatchRunResponse]:
        events = self._control.watch(request.run_id, request.after_event)
        async for run, event in until(self._stopping, events):
            yield encode_event(run, event)

    async def StreamLogs(
        self, request: pb.StreamLogsRequest, context: ServicerContext
    ) -> AsyncIterator[pb.StreamLogsResponse]:
        pieces = self._control.stream_logs(request.run_id, request.follow)
        async for piece in until(self._stopping, pieces):
            yield pb.StreamLogsResponse(text=piece.text, attempt=piece.attempt)

    async def ListRunEvents(
        self, request: pb.ListRunEventsRequest, context: ServicerContext
    ) -> pb.ListRunEventsResponse:
        happened = await self._control.happenings(request.run_id)
        return pb.ListRunEventsResponse(events=[encode_happening(happening) for happening in happened])


def add_trainer(server: Server, control: Control, stopping: asyncio.Event) -> str:
    """Until `stopping` is set. Returns the service's full name."""
    trainer_pb2_grpc.add_TrainerServiceServicer_to_server(TrainerServicer(control, stopping), server)
    return pb.DESCRIPTOR.services_by_name["TrainerService"].full_name


def encode_happening(happening: Happening) -> pb.RunEvent:
    return pb.RunEvent(
        at=encode_time(happening.at),
        attempt=happening.attempt,
        reason=happening.reason,
        message=happening.message,
    )


def encode_run(run: Run) -> pb.Run:
    return _run(run, run.record.last, run.record.progress)


def encode_event(run: Run, event: Event) -> pb.WatchRunResponse:
    """The run as it stood at the event."""
    if event.step is None:
        progress = run.record.progress if event.transition == run.record.last else Progress()
        return pb.WatchRunResponse(event=event.id, run=_run(run, event.transition, progress))
    step = event.step
    progress = Progress(step.stage, step.step, step.total_steps)
    metrics = pb.StepMetrics(stage=step.stage, step=step.step, total_steps=step.total_steps, metrics=step.metrics)
    return pb.WatchRunResponse(event=event.id, run=_run(run, event.transition, progress), step=metrics)


def _run(run: Run, transition: Transition, progress: Progress) -> pb.Run:
    record = run.record
    return pb.Run(
        id=record.id,
        spec=specs.encode(run.spec),
        state=STATES[transition.state],
        reason=transition.reason,
        attempt=transition.attempt,
        stage=progress.stage,
        step=progress.step,
        total_steps=progress.total_steps,
        created_at=encode_time(record.created_at),
        finished_at=encode_time(transition.at) if transition.state.ended else None,
        results=[_result(outcome) for outcome in record.outcomes],
    )


def _result(outcome: StageOutcome) -> pb.StageResult:
    version = ModelVersion(model=outcome.model, version=outcome.version, digest=outcome.digest)
    return pb.StageResult(
        stage=outcome.stage, model_version=version if outcome.model else None, metrics=outcome.metrics
    )
