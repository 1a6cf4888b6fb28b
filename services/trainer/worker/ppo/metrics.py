"""What a step reports of its experience."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import torch

from services.trainer.worker.experience import Rollout
from services.trainer.worker.ppo.advantages import masked_mean, masked_variance
from services.trainer.worker.ppo.batch import Batch, Targets
from services.trainer.worker.ppo.rewards import kl_per_token

QUANTILES = (0.1, 0.5, 0.9)
LENGTH_BINS = (1, 16, 32, 64, 128, 256)  # first token count of each
DROP_REASONS = ("too_long", "not_finite", "other")


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
    values |= reward_at_length(batch.scores_B, lengths_B)
    dropped = Counter(rollout.score_error_reason or "other" for rollout in rollouts if rollout.score is None)
    counts = {
        "samples": len(rollouts),
        "dropped_samples": len(rollouts) - len(batch.prompts),
        "truncated": sum(rollout.truncated for rollout in rollouts) / len(batch.prompts),
        "tokens": int(lengths_B.sum()),
        **{f"dropped_{reason}": dropped[reason] for reason in DROP_REASONS},
    }
    return {name: float(value) for name, value in values.items()} | counts


def reward_at_length(scores_B: torch.Tensor, lengths_B: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean score of the responses of each bin of lengths that has any."""
    found = {}
    for first, after in pairwise((*LENGTH_BINS, float("inf"))):
        within_B = (lengths_B >= first) & (lengths_B < after)
        if within_B.any():
            found[f"reward_at_length_{first}"] = scores_B[within_B].mean()
    return found


def explained_variance(batch: Batch, targets: Targets) -> torch.Tensor:
    """1 when the old values foretold the returns, 0 when a constant would have done as well; below 0 is worse."""
    residual = masked_variance(targets.returns_BR - batch.values_BR, batch.mask_BR)
    return 1 - residual / masked_variance(targets.returns_BR, batch.mask_BR).clamp(min=1e-8)


def mismatch(batch: Batch) -> dict[str, torch.Tensor]:
    """How far the generator's log-probs are from the trainer's, per token, in nats."""
    gap_BR = (batch.logprobs_BR - batch.behaviour_logprobs_BR).abs().where(batch.mask_BR, 0.0)
    return {"mismatch": masked_mean(gap_BR, batch.mask_BR), "mismatch_max": gap_BR.max()}
