"""The two clients: the same namespaces, once blocking and once for asyncio."""

from types import TracebackType
from typing import Self, TypeVar, Unpack

from rlhf.best_of_n import BestOfN, Plan, best
from rlhf.configuration import Settings, configure
from rlhf.datasets import AsyncDatasets, Datasets
from rlhf.feedback import AsyncFeedback, Feedback
from rlhf.inputs import Prompt
from rlhf.models import AsyncModels, Models
from rlhf.policy import AsyncPolicy, Policy
from rlhf.reference import AsyncReference, Reference
from rlhf.reward import AsyncReward, Reward
from rlhf.runs import AsyncRuns, Runs
from rlhf.v1.catalog_pb2_grpc import CatalogServiceStub
from rlhf.v1.feedback_pb2_grpc import FeedbackServiceStub
from rlhf.v1.policy_pb2_grpc import PolicyServiceStub
from rlhf.v1.reference_pb2_grpc import ReferenceServiceStub
from rlhf.v1.reward_pb2_grpc import RewardServiceStub
from rlhf.v1.trainer_pb2_grpc import TrainerServiceStub
from rlhf.versions import ModelName
from rlhf.wires import AsyncWire, SyncWire, Wire

STUBS: dict[str, tuple[type, ...]] = {
    "policy": (PolicyServiceStub,),
    "reward": (RewardServiceStub,),
    "reference": (ReferenceServiceStub,),
    "trainer": (TrainerServiceStub, CatalogServiceStub),
    "feedback": (FeedbackServiceStub,),
}
W = TypeVar("W", bound=Wire)


def _wires(kind: type[W], settings: Settings) -> dict[str, W]:
    configuration = configure(settings)
    return {
        name: kind(name, address, configuration.credentials, STUBS[name])
        for name, address in configuration.addresses.items()
    }


class Client:
    """Blocking client of the services; safe to share between threads. Nothing is connected before the first call.

    Addresses are `policy=`, `reward=`, `reference=`, `trainer=` and `feedback=`, each `host:port` or any name that gRPC
    resolves, such as `dns:///policy.rlhf:50051`; the replicas behind a name take turns. `token=` or `token_file=` says
    who calls. `ca=` turns TLS on, `cert=` and `key=` are for mutual TLS: files in PEM, read again when they change. A
    token goes to other machines over TLS alone, unless `allow_plaintext_token=True` says otherwise.

    What is not given comes from the environment (RLHF_POLICY, RLHF_TOKEN, RLHF_CA, …), else from the file $RLHF_CONFIG,
    by default ~/.config/rlhf/config.toml; an empty string says "none" to both. Raises InvalidInputError.
    """

    policy: Policy
    reward: Reward
    reference: Reference
    datasets: Datasets
    models: Models
    runs: Runs
    feedback: Feedback

    def __init__(self, **settings: Unpack[Settings]) -> None:
        self._wires = _wires(SyncWire, settings)
        self.policy = Policy(self._wires["policy"])
        self.reward = Reward(self._wires["reward"])
        self.reference = Reference(self._wires["reference"])
        self.datasets = Datasets(self._wires["trainer"])
        self.models = Models(self._wires["trainer"])
        self.runs = Runs(self._wires["trainer"])
        self.feedback = Feedback(self._wires["feedback"])

    def best_of_n(
        self,
        prompt: Prompt,
        n: int = 8,
        *,
        policy: ModelName = "policy/default",
        reward: ModelName = "reward/default",
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        seed: int = 0,
        timeout: float = 600.0,
    ) -> BestOfN:
        """Samples `n` responses and ranks them by a reward model. `timeout` is for each of the two calls."""
        plan = Plan(prompt, n, policy, reward, max_new_tokens, temperature, seed, timeout)
        rollouts = self.policy.generate(**plan.generating())
        return best(self.reward.rank(**plan.ranking(rollouts)))

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
    feedback: AsyncFeedback

    def __init__(self, **settings: Unpack[Settings]) -> None:
        self._wires = _wires(AsyncWire, settings)
        self.policy = AsyncPolicy(self._wires["policy"])
        self.reward = AsyncReward(self._wires["reward"])
        self.reference = AsyncReference(self._wires["reference"])
        self.datasets = AsyncDatasets(self._wires["trainer"])
        self.models = AsyncModels(self._wires["trainer"])
        self.runs = AsyncRuns(self._wires["trainer"])
        self.feedback = AsyncFeedback(self._wires["feedback"])

    async def best_of_n(
        self,
        prompt: Prompt,
        n: int = 8,
        *,
        policy: ModelName = "policy/default",
        reward: ModelName = "reward/default",
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        seed: int = 0,
        timeout: float = 600.0,  # noqa: ASYNC109 - the deadline of each call, as everywhere here
    ) -> BestOfN:
        plan = Plan(prompt, n, policy, reward, max_new_tokens, temperature, seed, timeout)
        rollouts = await self.policy.generate(**plan.generating())
        return best(await self.reward.rank(**plan.ranking(rollouts)))

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
