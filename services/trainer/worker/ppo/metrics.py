"""What a step reports of its experience."""

from collections.abc import Sequence

import torch

from services.trainer.worker.experience import Rollout
from services.trainer.worker.ppo.advantages import masked_mean, masked_variance
from services.trainer.worker.ppo.batch import Batch, Targets
from services.trainer.worker.ppo.rewards import kl_per_token

QUANTILES = (0.1, 0.5, 0.9)


def describe(batch: Batch, targets: Targets, rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Means over the batch before the update; KL and entropy in nats. `rollouts` include those without a score."""
    kl_BR = kl_per_token(batch.logprobs_BR, batch.reference_logprobs_BR, batch.mask_BR)
    lengths_B = batch.mask_BR.sum(dim=1).float()
    raw = [rollout.raw_score for rollout in rollouts if rollout.raw_score is not None]
    values = {
        "reward": batch.scores_B.mean(),
        "raw_reward": torch.tensor(raw).mean(),
        "objective": targets.rewards_B.mean(),
        "kl": kl_BR.sum(dim=1).mean(),
        "kl_per_token": kl_BR.sum() / lengths_B.sum(),
        "entropy": masked_mean(batch.entropy_BR, batch.mask_BR),
        "response_length": lengths_B.mean(),
        "without_eos": 1 - batch.ended_B.float().mean(),
        "explained_variance": explained_variance(batch, targets),
        **mismatch(batch),
    }
    quantiles = torch.quantile(batch.scores_B, torch.tensor(QUANTILES))
    values |= {f"reward_p{round(100 * share)}": value for share, value in zip(QUANTILES, quantiles)}
    counts = {
        "samples": len(rollouts),
        "dropped_samples": len(rollouts) - len(batch.prompts),
        "tokens": int(lengths_B.sum()),
    }
    return {name: float(value) for name, value in values.items()} | counts


def explained_variance(batch: Batch, targets: Targets) -> torch.Tensor:
    """1 when the old values foretold the returns, 0 when a constant would have done as well; below 0 is worse."""
    residual = masked_variance(targets.returns_BR - batch.values_BR, batch.mask_BR)
    return 1 - residual / masked_variance(targets.returns_BR, batch.mask_BR).clamp(min=1e-8)


def mismatch(batch: Batch) -> dict[str, torch.Tensor]:
    """How far the generator's log-probs are from the trainer's, per token, in nats."""
    gap_BR = (batch.logprobs_BR - batch.behaviour_logprobs_BR).abs().where(batch.mask_BR, 0.0)
    return {"mismatch": masked_mean(gap_BR, batch.mask_BR), "mismatch_max": gap_BR.max()}
