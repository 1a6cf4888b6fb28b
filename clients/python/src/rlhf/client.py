"""The two clients: the same namespaces, once blocking and once for asyncio."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar

from rlhf.datasets import AsyncDatasets, Datasets
from rlhf.models import AsyncModels, Models
from rlhf.policy import AsyncPolicy, Policy
from rlhf.reference import AsyncReference, Reference
from rlhf.reward import AsyncReward, Reward
from rlhf.runs import AsyncRuns, Runs
from rlhf.v1.catalog_pb2_grpc import CatalogServiceStub
from rlhf.v1.policy_pb2_grpc import PolicyServiceStub
from rlhf.v1.reference_pb2_grpc import ReferenceServiceStub
from rlhf.v1.reward_pb2_grpc import RewardServiceStub
from rlhf.v1.trainer_pb2_grpc import TrainerServiceStub
from rlhf.wires import AsyncWire, SyncWire, Wire

DEFAULT_ADDRESSES = {
    "policy": "127.0.0.1:50051",
    "reward": "127.0.0.1:50052",
    "reference": "127.0.0.1:50053",
    "trainer": "127.0.0.1:50054",
}
STUBS: dict[str, tuple[type, ...]] = {
    "policy": (PolicyServiceStub,),
    "reward": (RewardServiceStub,),
    "reference": (ReferenceServiceStub,),
    "trainer": (TrainerServiceStub, CatalogServiceStub),
}
W = TypeVar("W", bound=Wire)


def resolve_address(service: str, given: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """The argument, else the environment's RLHF_POLICY etc., else the port on this machine that `rlhf up` takes."""
    return given or environ.get(f"RLHF_{service.upper()}") or DEFAULT_ADDRESSES[service]


def _wires(kind: type[W], addresses: Mapping[str, str | None]) -> dict[str, W]:
    return {name: kind(name, resolve_address(name, given), STUBS[name]) for name, given in addresses.items()}


class Client:
    """Blocking client of the services; safe to share between threads. Nothing is connected before the first call.

    Each address is `host:port`, or any name that gRPC resolves, such as `dns:///policy.rlhf:50051`.
    """

    policy: Policy
    reward: Reward
    reference: Reference
    datasets: Datasets
    models: Models
    runs: Runs

    def __init__(
        self,
        *,
        policy: str | None = None,
        reward: str | None = None,
        reference: str | None = None,
        trainer: str | None = None,
    ) -> None:
        addresses = {"policy": policy, "reward": reward, "reference": reference, "trainer": trainer}
        self._wires = _wires(SyncWire, addresses)
        self.policy = Policy(self._wires["policy"])
        self.reward = Reward(self._wires["reward"])
        self.reference = Reference(self._wires["reference"])
        self.datasets = Datasets(self._wires["trainer"])
        self.models = Models(self._wires["trainer"])
        self.runs = Runs(self._wires["trainer"])

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio: what returns a value there is awaited here, what iterates is iterated with `async for`."""

    policy: AsyncPolicy
    reward: AsyncReward
    reference: AsyncReference
    datasets: AsyncDatasets
    models: AsyncModels
    runs: AsyncRuns

    def __init__(
        self,
        *,
        policy: str | None = None,
        reward: str | None = None,
        reference: str | None = None,
        trainer: str | None = None,
    ) -> None:
        addresses = {"policy": policy, "reward": reward, "reference": reference, "trainer": trainer}
        self._wires = _wires(AsyncWire, addresses)
        self.policy = AsyncPolicy(self._wires["policy"])
        self.reward = AsyncReward(self._wires["reward"])
        self.reference = AsyncReference(self._wires["reference"])
        self.datasets = AsyncDatasets(self._wires["trainer"])
        self.models = AsyncModels(self._wires["trainer"])
        self.runs = AsyncRuns(self._wires["trainer"])

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
