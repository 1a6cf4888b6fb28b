"""Python SDK of RLHF as services.

import rlhf

with rlhf.Client() as client:
    for rollout in client.policy.generate(["Why is the sky blue?"], max_new_tokens=64):
        print(rollout.text)
"""

from rlhf.client import AsyncClient, Client
from rlhf.datasets import Dataset
from rlhf.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    ConnectionFailedError,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    Problem,
    RefusedError,
    RlhfError,
    RunFailedError,
    ServiceFailedError,
    TransferError,
    UnauthenticatedError,
)
from rlhf.models import Model
from rlhf.placement import Placement, Toleration
from rlhf.policy import Piece, Rollout
from rlhf.reference import LogProbs
from rlhf.reward import RankedResponse, Score
from rlhf.run import Run, RunEvent, StageResult, StepEvent
from rlhf.runs import AsyncRunHandle, RunHandle
from rlhf.specs import Dpo, Evaluate, Pipeline, Ppo, RewardModel, Sft, Spec
from rlhf.versions import ModelVersion

__all__ = [
    "AccessDeniedError",
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncRunHandle",
    "Client",
    "ConflictError",
    "ConnectionFailedError",
    "Dataset",
    "DeadlineError",
    "Dpo",
    "Evaluate",
    "InvalidInputError",
    "LogProbs",
    "Model",
    "ModelVersion",
    "NotFoundError",
    "NotReadyError",
    "OverloadedError",
    "Piece",
    "Pipeline",
    "Placement",
    "Ppo",
    "Problem",
    "RankedResponse",
    "RefusedError",
    "RewardModel",
    "RlhfError",
    "Rollout",
    "Run",
    "RunEvent",
    "RunFailedError",
    "RunHandle",
    "Score",
    "ServiceFailedError",
    "Sft",
    "Spec",
    "StageResult",
    "StepEvent",
    "Toleration",
    "TransferError",
    "UnauthenticatedError",
]
