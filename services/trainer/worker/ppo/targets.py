"""From measured experience to what the update learns from."""

from services.trainer.recipes import PpoSpec
from services.trainer.worker.losses.ppo import importance_weights
from services.trainer.worker.ppo.advantages import gae, whiten
from services.trainer.worker.ppo.batch import Batch, Targets
from services.trainer.worker.ppo.rewards import kl_per_token, shaped_rewards, terminal_scores

# fp32 forwards of the same weights in differently shaped batches differ by about 1e-5 nats per token.
FIRST_STEP_TOLERANCE = 1e-3


def targets_of(batch: Batch, spec: PpoSpec, kl_coefficient: float) -> Targets:
    scores_B = terminal_scores(batch.scores_B, batch.ended_B, spec)
    kl_BR = kl_per_token(batch.logprobs_BR, batch.reference_logprobs_BR, batch.mask_BR)
    rewards_BR = shaped_rewards(scores_B, kl_BR, batch.mask_BR, kl_coefficient)
    advantages_BR, returns_BR = gae(rewards_BR, batch.values_BR, batch.mask_BR, spec.gamma, spec.gae_lambda)
    weights_BR = importance_weights(batch.logprobs_BR, batch.behaviour_logprobs_BR, batch.mask_BR)
    return Targets(rewards_BR.sum(dim=1), whiten(advantages_BR, batch.mask_BR), returns_BR, weights_BR)


def check_first_step(batch: Batch) -> None:
    """Before any update, policy, reference and generator are one model: whatever differs is a defect."""
    kl_BR = kl_per_token(batch.logprobs_BR, batch.reference_logprobs_BR, batch.mask_BR)
    gap_BR = (batch.logprobs_BR - batch.behaviour_logprobs_BR).where(batch.mask_BR, 0.0)
    for other, difference_BR in (("the reference", kl_BR), ("the generator", gap_BR)):
        furthest = difference_BR.abs().max().item()
        assert furthest < FIRST_STEP_TOLERANCE, f"at step 0 the policy is {furthest:.2e} nats away from {other}"
