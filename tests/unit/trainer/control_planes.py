"""Real control planes, in this process and as processes, whose workers follow a plan (`faulty_worker`)."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status
from rlhf.v1 import trainer_pb2 as pb
from rlhf.v1.catalog_pb2_grpc import CatalogServiceStub
from rlhf.v1.trainer_pb2_grpc import TrainerServiceStub, WorkerServiceStub

from services.runtime.process import run
from services.runtime.server import Address, running, serve
from services.storage.datasets import DatasetStore
from services.storage.location import open_store
from services.storage.models import ModelStore, Version
from services.trainer.launchers.local import LocalLauncher, WorkerSettings
from services.trainer.service import Trainer
from services.trainer.settings import TrainerSettings

WORKER = Path(__file__).with_name("faulty_worker.py")
LLAMA = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 128}
REWARD = {"architectures": ["LlamaForSequenceClassification"], "max_position_embeddings": 128}


@dataclass
class Stubs:
    address: str
    runs: Any  # async stubs; the generated ones are typed for sync use
    workers: Any
    catalog: Any

    async def until(self, run_id: str, state: int, seconds: float = 90) -> pb.Run:
        """Waits for a state; says what the run is instead when it does not come."""
        deadline = time.monotonic() + seconds
        while True:
            run = (await self.runs.GetRun(pb.GetRunRequest(run_id=run_id), timeout=30)).run
            if run.state == state:
                return run
            assert time.monotonic() < deadline, f"still {pb.RunState.Name(run.state)}: {run.reason}"
            await asyncio.sleep(0.05)

    async def create(self, spec: pb.RunSpec | None = None, request_id: str = "") -> pb.Run:
        request = pb.CreateRunRequest(spec=spec or sft(), request_id=request_id)
        return (await self.runs.CreateRun(request, timeout=90)).run

    async def events(self, run_id: str, after: int = 0) -> list[pb.WatchRunResponse]:
        """To the run's end."""
        call = self.runs.WatchRun(pb.WatchRunRequest(run_id=run_id, after_event=after), timeout=90)
        return [event async for event in call]

    async def happenings(self, run_id: str) -> list[pb.RunEvent]:
        return list((await self.runs.ListRunEvents(pb.ListRunEventsRequest(run_id=run_id), timeout=90)).events)

    async def logs(self, run_id: str, follow: bool = False) -> str:
        call = self.runs.StreamLogs(pb.StreamLogsRequest(run_id=run_id, follow=follow), timeout=90)
        return "".join([piece.text async for piece in call])


def sft(**fields: Any) -> pb.RunSpec:
    return pb.RunSpec(name="tuned", sft=pb.SftSpec(base_model="base", dataset="demos", **fields))


def pipeline(**stages: Message) -> pb.RunSpec:
    kinds = {pb.SftSpec: "sft", pb.RewardModelSpec: "reward_model", pb.PpoSpec: "ppo", pb.EvaluateSpec: "evaluate"}
    listed = [pb.PipelineStage(name=n, **{kinds[type(stage)]: stage}) for n, stage in stages.items()]
    return pb.RunSpec(name="tuned", pipeline=pb.PipelineSpec(stages=listed))


def stock(folder: Path) -> None:
    """Datasets of each type, a language model and a reward model; nobody opens their weights here."""
    store = open_store(str(folder / "store"))
    for name, kind in {"demos": "demonstration", "pairs": "comparison", "prompts": "prompt"}.items():
        records = folder / f"{name}.jsonl"
        records.write_text(f'{{"of": "{name}"}}\n')
        info = {"record_type": kind, "num_records": 1, "num_bad": 0, "detected_format": "test"}
        DatasetStore(store).put(name, records, info)
    publish(folder, "base", LLAMA)
    publish(folder, "judge", REWARD)


def publish(folder: Path, name: str, config: dict, **metadata: str) -> Version:
    source = folder / "sources" / name
    source.mkdir(parents=True, exist_ok=True)
    (source / "config.json").write_text(json.dumps(config))
    models = ModelStore(open_store(str(folder / "store")), folder / "cache")
    facts = {"tokenizer_digest": "a" * 64, "chat_template_digest": "b" * 64, **metadata}
    return models.publish(name, source, attempt=1, step=0, metadata=facts)


def launcher(plan: dict, settings: TrainerSettings, address: Address) -> LocalLauncher:
    worker = WorkerSettings(settings.storage, str(address), "policy:1", "reward:1", "reference:1", settings.work_dir)
    return LocalLauncher(worker, command=(str(WORKER), json.dumps(plan)))


def settings(folder: Path, **changes: Any) -> TrainerSettings:
    paths = {"storage": str(folder / "store"), "cache": folder / "cache", "work_dir": folder / "work"}
    quick = {"port": 0, "metrics_port": 0, "drain_seconds": 3.0, "stop_seconds": 5.0, "stop_workers": True}
    return TrainerSettings(**{**paths, **quick, **changes})


@asynccontextmanager
async def control_plane(
    folder: Path,
    plan: dict | None = None,
    launch: Callable[[TrainerSettings, Address], LocalLauncher] | None = None,
    **changes: Any,
) -> AsyncIterator[Stubs]:
    """Over the storage in `folder`, which another control plane may have filled before."""
    chosen = settings(folder, **changes)
    trainer = Trainer(chosen, launch or partial(launcher, plan or {}))
    async with (
        running("trainer", chosen, trainer.register, trainer.admission) as address,
        trainer.supervised(address),
        connected(str(address)) as stubs,
    ):
        yield stubs


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Stubs]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield Stubs(address, TrainerServiceStub(channel), WorkerServiceStub(channel), CatalogServiceStub(channel))


def violations(error: Any) -> dict[str, str]:
    """field → description"""
    found = {}
    for detail in rpc_status.from_call(error).details:
        request = BadRequest()
        if detail.Unpack(request):
            found |= {v.field: v.description for v in request.field_violations}
    return found


async def _start(plan: dict, chosen: TrainerSettings) -> None:
    trainer = Trainer(chosen, partial(launcher, plan))
    await serve("trainer", chosen, trainer.register, trainer.admission, trainer.supervised)


if __name__ == "__main__":
    # As `python -m services.trainer`, with a plan before the flags.
    given = json.loads(sys.argv.pop(1))
    run(TrainerSettings, "RLHF_TRAINER_", partial(_start, given))
