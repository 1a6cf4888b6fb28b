"""Python SDK of RLHF as services.

import rlhf

with rlhf.Client() as client:
    for rollout in client.policy.generate(["Why is the sky blue?"], max_new_tokens=64):
        print(rollout.text)
"""

from rlhf.adapters import as_reward_function, as_trl_reward
from rlhf.best_of_n import BestOfN
from rlhf.campaigns import Assignment, Campaign, CampaignProgress, Generated, Item, RaterProgress
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
from rlhf.judgements import Agreement, Estimate, Judgement, RaterStatistics, SourceStatistics, Statistics
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
    "Agreement",
    "AlreadyExistsError",
    "Assignment",
    "AsyncClient",
    "AsyncRunHandle",
    "BestOfN",
    "Campaign",
    "CampaignProgress",
    "Client",
    "ConflictError",
    "ConnectionFailedError",
    "Dataset",
    "DeadlineError",
    "Dpo",
    "Estimate",
    "Evaluate",
    "Generated",
    "InvalidInputError",
    "Item",
    "Judgement",
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
    "RaterProgress",
    "RaterStatistics",
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
    "SourceStatistics",
    "Spec",
    "StageResult",
    "Statistics",
    "StepEvent",
    "Toleration",
    "TransferError",
    "UnauthenticatedError",
    "as_reward_function",
    "as_trl_reward",
]
