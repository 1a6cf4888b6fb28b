"""A real gRPC server that keeps the contracts with canned answers, and misbehaves as a test tells it to."""

import asyncio
import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from rlhf.v1 import catalog_pb2, policy_pb2, reference_pb2, reward_pb2, trainer_pb2, types_pb2
from rlhf.v1.catalog_pb2_grpc import CatalogServiceServicer, add_CatalogServiceServicer_to_server
from rlhf.v1.policy_pb2_grpc import PolicyServiceServicer, add_PolicyServiceServicer_to_server
from rlhf.v1.reference_pb2_grpc import ReferenceServiceServicer, add_ReferenceServiceServicer_to_server
from rlhf.v1.reward_pb2_grpc import RewardServiceServicer, add_RewardServiceServicer_to_server
from rlhf.v1.trainer_pb2_grpc import TrainerServiceServicer, add_TrainerServiceServicer_to_server

from services.runtime.errors import NotFound
from services.runtime.server import running
from services.runtime.settings import ServerSettings

SERVICES = ("policy", "reward", "reference", "trainer")
Fault = Callable[[grpc.aio.ServicerContext], Awaitable[None]]
VERSION = types_pb2.ModelVersion(model="sft", version="1.3-aa", digest="d1")
QUEUED, RUNNING, SUCCEEDED, FAILED = (
    trainer_pb2.RUN_STATE_QUEUED,
    trainer_pb2.RUN_STATE_RUNNING,
    trainer_pb2.RUN_STATE_SUCCEEDED,
    trainer_pb2.RUN_STATE_FAILED,
)


def raising(error: Exception) -> Fault:
    async def fault(context: grpc.aio.ServicerContext) -> None:
        raise error

    return fault


def gone() -> Fault:
    """What a client sees of a server that went away: no details, no hint."""

    async def fault(context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    return fault


def slow(seconds: float) -> Fault:
    async def fault(context: grpc.aio.ServicerContext) -> None:
        await asyncio.sleep(seconds)

    return fault


@dataclass
class Script:
    """`faults` are taken one per call of an rpc; `requests` remembers what came."""

    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    events: list[trainer_pb2.WatchRunResponse] = field(default_factory=list)
    break_watch_after: list[int] = field(default_factory=list)  # events, per call
    ends_cleanly: bool = False  # a broken stream looks like one that is over
    logs: list[str] = field(default_factory=lambda: ["one\n", "two\n", "three\n"])
    break_logs_after: list[int] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)  # of the model that is there
    announced: dict[str, str] = field(default_factory=dict)  # file -> another sha256 or path than the true one
    datasets: dict[str, bytes] = field(default_factory=dict)
    run: trainer_pb2.Run = field(default_factory=lambda: make_run(SUCCEEDED))

    async def begin(self, rpc: str, request: Any, context: grpc.aio.ServicerContext) -> None:
        self.requests[rpc].append(request)
        if self.faults[rpc]:
            await self.faults[rpc].pop(0)(context)

    def calls(self, rpc: str) -> int:
        return len(self.requests[rpc])


def make_run(state: int, step: int = 0, reason: str = "") -> trainer_pb2.Run:
    run = trainer_pb2.Run(
        id="r1",
        state=state,
        reason=reason,
        attempt=1,
        stage="sft",
        step=step,
        total_steps=3,  # type: ignore
    )
    run.spec.name = "mine"
    if state == SUCCEEDED:
        run.results.add(stage="sft", model_version=VERSION, metrics={"loss": 0.5})
    return run


def make_events(last_state: int = SUCCEEDED, reason: str = "") -> list[trainer_pb2.WatchRunResponse]:
    """Queued, running, three steps, the end; numbered as the real service does, with gaps."""
    steps = [
        trainer_pb2.WatchRunResponse(
            event=20 + i,
            run=make_run(RUNNING, i),
            step=trainer_pb2.StepMetrics(stage="sft", step=i, total_steps=3, metrics={"loss": 1 / i}),
        )
        for i in (1, 2, 3)
    ]
    first = [trainer_pb2.WatchRunResponse(event=10 + i, run=make_run(s)) for i, s in enumerate((QUEUED, RUNNING))]
    return [*first, *steps, trainer_pb2.WatchRunResponse(event=90, run=make_run(last_state, 3, reason))]


class Policy(PolicyServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def Generate(self, request, context):
        await self.script.begin("Generate", request, context)
        if request.model == "unknown":
            raise NotFound("model", request.model, ["sft"])
        samples = request.samples_per_prompt or 1
        return policy_pb2.GenerateResponse(
            rollouts=[rollout(i, j) for i in range(len(request.prompts)) for j in range(samples)]
        )

    async def GenerateStream(self, request, context):
        await self.script.begin("GenerateStream", request, context)
        for text in ("answer ", "0.0"):
            last = rollout(0, 0) if text == "0.0" else None
            yield policy_pb2.GenerateStreamResponse(text=text, rollout=last)


def rollout(prompt: int, sample: int) -> types_pb2.Rollout:
    return types_pb2.Rollout(
        prompt_index=prompt,
        sample_index=sample,
        prompt_ids=[1, 2],
        response_ids=[3, 4],
        log_probs=[-0.5, -0.25],
        finish_reason=types_pb2.FINISH_REASON_STOP,
        model_version=VERSION,
        text=f"answer {prompt}.{sample}",
    )


class Reward(RewardServiceServicer):
    """The longer a response, the better; an empty one cannot be scored."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Score(self, request, context):
        await self.script.begin("Score", request, context)
        return reward_pb2.ScoreResponse(scores=[score(item.response) for item in request.items])

    async def Rank(self, request, context):
        await self.script.begin("Rank", request, context)
        ranked = sorted(enumerate(map(score, request.responses)), key=lambda pair: -pair[1].raw)
        return reward_pb2.RankResponse(ranked=[reward_pb2.RankedResponse(index=i, score=s) for i, s in ranked])


def score(response: types_pb2.Response) -> reward_pb2.Score:
    if not response.text:
        return reward_pb2.Score(status=reward_pb2.SCORE_STATUS_ERROR, error="empty response")
    raw = float(len(response.text))
    return reward_pb2.Score(
        status=reward_pb2.SCORE_STATUS_OK,
        raw=raw,
        normalized=raw - 1,
        member_scores=[raw - 1],
        model_versions=[VERSION],
    )


class Reference(ReferenceServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def LogProbs(self, request, context):
        await self.script.begin("LogProbs", request, context)
        sequences = [{"log_probs": [-1.0] * len(sequence.response_ids)} for sequence in request.sequences]
        return reference_pb2.LogProbsResponse(sequences=sequences, model_version=VERSION)


class Catalog(CatalogServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def UploadDataset(self, requests, context):
        parts = [part async for part in requests]
        await self.script.begin("UploadDataset", parts, context)
        header, data = parts[0].header, b"".join(part.chunk for part in parts[1:])
        assert hashlib.sha256(data).hexdigest() == header.sha256
        self.script.datasets[header.name] = data
        return catalog_pb2.UploadDatasetResponse(dataset=self.dataset(header.name))

    async def ListDatasets(self, request, context):
        names = [name for name in self.script.datasets if request.name in ("", name)]
        return catalog_pb2.ListDatasetsResponse(datasets=[self.dataset(name) for name in names])

    async def DownloadDataset(self, request, context):
        await self.script.begin("DownloadDataset", request, context)
        name, _, digest = request.dataset.partition("@")
        assert digest, "the client names the version it wants"
        yield catalog_pb2.DownloadDatasetResponse(chunk=self.script.datasets[name])

    async def UploadModel(self, requests, context):
        parts = [part async for part in requests]
        await self.script.begin("UploadModel", parts, context)
        current = ""
        for part in parts[1:]:
            if part.WhichOneof("part") == "file":
                current = part.file.path
                self.script.files[current] = b""
            else:
                self.script.files[current] += part.chunk
        return catalog_pb2.UploadModelResponse(model=model(parts[0].header.name))

    async def ImportModel(self, request, context):
        await self.script.begin("ImportModel", request, context)
        return catalog_pb2.ImportModelResponse(model=model(request.name))

    async def ListModels(self, request, context):
        return catalog_pb2.ListModelsResponse(models=[model("sft")])

    async def DownloadModel(self, request, context):
        await self.script.begin("DownloadModel", request, context)
        for path, data in self.script.files.items():
            sha256 = self.script.announced.get(path, hashlib.sha256(data).hexdigest())
            yield catalog_pb2.DownloadModelResponse(
                file=catalog_pb2.ModelFile(path=path, size_bytes=len(data), sha256=sha256)
            )
            for start in range(0, len(data), 1000):
                yield catalog_pb2.DownloadModelResponse(chunk=data[start : start + 1000])

    async def Promote(self, request, context):
        await self.script.begin("Promote", request, context)
        return catalog_pb2.PromoteResponse(model_version=VERSION)

    async def Rollback(self, request, context):
        await self.script.begin("Rollback", request, context)
        return catalog_pb2.RollbackResponse(model_version=VERSION)

    def dataset(self, name: str) -> catalog_pb2.Dataset:
        digest = hashlib.sha256(self.script.datasets[name]).hexdigest()
        return catalog_pb2.Dataset(
            name=name, digest=digest, record_type=catalog_pb2.RECORD_TYPE_COMPARISON, num_records=2, detected_format="x"
        )


def model(name: str) -> catalog_pb2.Model:
    version = types_pb2.ModelVersion(model=name, version="1.3-aa", digest="d1")
    return catalog_pb2.Model(
        model_version=version, architecture="LlamaForCausalLM", size_bytes=3_900_000, aliases=["policy/default"]
    )


class Trainer(TrainerServiceServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    async def CreateRun(self, request, context):
        await self.script.begin("CreateRun", request, context)
        return trainer_pb2.CreateRunResponse(run=make_run(QUEUED))

    async def GetRun(self, request, context):
        await self.script.begin("GetRun", request, context)
        if request.run_id != "r1":
            raise NotFound("run", request.run_id, ["r1"])
        return trainer_pb2.GetRunResponse(run=self.script.run)

    async def ListRuns(self, request, context):
        await self.script.begin("ListRuns", request, context)
        return trainer_pb2.ListRunsResponse(runs=[self.script.run])

    async def ListRunEvents(self, request, context):
        await self.script.begin("ListRunEvents", request, context)
        why = "attempt 2 goes on from step 4 of stage sft: it was evicted; it printed last:\nstep 4"
        told = [(60, 1, "the run was accepted"), (90, 2, why)]
        return trainer_pb2.ListRunEventsResponse(
            events=[
                trainer_pb2.RunEvent(at=Timestamp(seconds=at), attempt=attempt, reason="Queued", message=message)
                for at, attempt, message in told
            ]
        )

    async def CancelRun(self, request, context):
        await self.script.begin("CancelRun", request, context)
        return trainer_pb2.CancelRunResponse(run=make_run(trainer_pb2.RUN_STATE_CANCELLED))

    async def ResumeRun(self, request, context):
        await self.script.begin("ResumeRun", request, context)
        return trainer_pb2.ResumeRunResponse(run=make_run(QUEUED))

    async def WatchRun(self, request, context):
        await self.script.begin("WatchRun", request, context)
        left = [event for event in self.script.events if event.event > request.after_event]
        async for event in breaking(left, self.script.break_watch_after, context, self.script.ends_cleanly):
            yield event

    async def StreamLogs(self, request, context):
        await self.script.begin("StreamLogs", request, context)
        texts = [trainer_pb2.StreamLogsResponse(text=text, attempt=1) for text in self.script.logs]
        async for text in breaking(texts, self.script.break_logs_after, context):
            yield text


async def breaking(
    items: list[Any], break_after: list[int], context: grpc.aio.ServicerContext, cleanly: bool = False
) -> AsyncIterator[Any]:
    count = break_after.pop(0) if break_after else len(items)
    for item in items[:count]:
        yield item
    if count < len(items) and not cleanly:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


def register(script: Script, server: grpc.aio.Server) -> list[str]:
    add_PolicyServiceServicer_to_server(Policy(script), server)
    add_RewardServiceServicer_to_server(Reward(script), server)
    add_ReferenceServiceServicer_to_server(Reference(script), server)
    add_CatalogServiceServicer_to_server(Catalog(script), server)
    add_TrainerServiceServicer_to_server(Trainer(script), server)
    return []


@contextmanager
def serving(script: Script, port: int = 0):
    """The server's address; it runs in a thread of its own, so that blocking clients can be tested too."""
    started, stop, address = threading.Event(), asyncio.Event(), []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        settings = ServerSettings(port=port, storage="unused", drain_seconds=0)
        async with running("scripted", settings, lambda server: register(script, server)) as bound:
            address.append(str(bound))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


def as_json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]
