"""Evaluation: samples from a policy, their scores and their distance from a reference. Nothing is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from transformers import AutoConfig

from services.language_model.loading import load_tokenizer
from services.storage.models import Version
from services.trainer.attempts import StageOutcome
from services.trainer.recipes import EvaluateSpec
from services.trainer.worker.collector import Prompt, RewardRole, collect
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import length_limit
from services.trainer.worker.experience import Rollout, SamplingPlan
from services.trainer.worker.ledger import Ledger
from services.trainer.worker.ranks import Ranks
from services.trainer.worker.roles import load_prompts, reward_role
from services.trainer.worker.seeds import derived_seed

PROMPTS_AT_ONCE = 128  # each part is persisted, and not asked for again after a crash


@dataclass(frozen=True)
class Roles:
    policy: Version
    reward: RewardRole | None
    reference: Version | None


def run(context: StageContext, spec: EvaluateSpec) -> StageOutcome:
    """Rank 0's alone: services do the work."""
    alone = replace(context, ranks=Ranks())
    return context.ranks.first(lambda: evaluate(alone, spec), lambda value: StageOutcome(**value))


def evaluate(context: StageContext, spec: EvaluateSpec) -> StageOutcome:
    roles, prompts, num_long = prepare(context, spec)
    ledger = Ledger(context.attempt.objects, context.stage, context.collector.calls, context.collector.items)
    parts = [prompts[start : start + PROMPTS_AT_ONCE] for start in range(0, len(prompts), PROMPTS_AT_ONCE)]
    rollouts: list[Rollout] = []
    for number, part in enumerate(parts):
        with context.step(number + 1):
            context.check()
            found = ledger.replay(number, [roles.policy]) or sample(context, spec, roles, part, number)
            ledger.record(number, found, [roles.policy])
            rollouts += found
            context.report(number + 1, len(parts), summary(rollouts))
    return context.outcome(None, summary(rollouts) | {"left_out_long": num_long})


def prepare(context: StageContext, spec: EvaluateSpec) -> tuple[Roles, list[Prompt], int]:
    policy, folder = context.model(spec.policy_model)
    tokenizer, config = load_tokenizer(folder), AutoConfig.from_pretrained(folder, local_files_only=True)
    limit = length_limit(config, tokenizer) - spec.max_new_tokens
    prompts, num_long = load_prompts(context, "evaluate.prompts", spec.prompts, tokenizer, limit)
    reward = None
    if spec.reward_model:
        reward = reward_role("evaluate.reward_model", *context.model(spec.reward_model), tokenizer)
    reference = context.models.resolve(spec.reference_model) if spec.reference_model else None
    return Roles(policy, reward, reference), prompts, num_long


def sample(
    context: StageContext, spec: EvaluateSpec, roles: Roles, prompts: Sequence[Prompt], number: int
) -> list[Rollout]:
    plan = SamplingPlan(
        samples_per_prompt=spec.samples_per_prompt,
        max_new_tokens=spec.max_new_tokens,
        temperature=spec.temperature,
        seed=derived_seed(context.seed, number),
        deterministic=context.deterministic,
    )
    return collect(context.collector, [roles.policy], roles.reward, roles.reference, prompts, plan, context.stopwatch)


def summary(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Means over the responses; `kl` in nats per response. What nobody was asked for is left out."""
    scores = [r.score for r in rollouts if r.score is not None]
    divergences = [sum(r.log_probs) - sum(r.reference_log_probs) for r in rollouts if r.reference_log_probs]
    metrics: dict[str, float] = {
        "responses": len(rollouts),
        "failed_scores": sum(bool(r.score_error) for r in rollouts),
        "response_length": fmean(len(r.response_ids) for r in rollouts),
        "without_eos": fmean(not r.ended for r in rollouts),
    }
    if scores:
        metrics["score"] = fmean(scores)
    if divergences:
        metrics["kl"] = fmean(divergences)
        metrics["kl_per_token"] = sum(divergences) / sum(len(r.response_ids) for r in rollouts)
    return metrics
