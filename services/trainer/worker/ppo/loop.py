"""PPO, step by step: collect → advantages → update → report → checkpoint → publish."""

from functools import partial

from services.trainer.attempts import StageOutcome
from services.trainer.recipes import PpoSpec
from services.trainer.worker.batches import stream
from services.trainer.worker.collector import collect
from services.trainer.worker.context import StageContext
from services.trainer.worker.experience import Rollout, SamplingPlan, read_rollouts, scored
from services.trainer.worker.ppo.batch import enough, require_enough
from services.trainer.worker.ppo.metrics import describe
from services.trainer.worker.ppo.preparation import Ppo, prepare
from services.trainer.worker.ppo.targets import check_first_step, targets_of
from services.trainer.worker.seeds import derived_seed


def run(context: StageContext, spec: PpoSpec) -> StageOutcome:
    ppo, metrics = prepare(context, spec), {}
    for step in range(ppo.step, spec.steps):
        with context.step(step + 1):
            context.check()
            rollouts = context.ranks.first(partial(experience, context, spec, ppo, step), read_rollouts)
            usable = scored(rollouts)
            require_enough(usable, rollouts)
            with context.stopwatch.part("advantage"):
                batch = ppo.learner.measure(usable)
                targets = targets_of(batch, spec, ppo.controller.coefficient)
            if step == 0:
                check_first_step(batch)
            metrics = describe(batch, targets, rollouts) | {
                "kl_coefficient": ppo.controller.coefficient,
                "weights_lag": ppo.publisher.lag(usable),
                "max_staleness": spec.max_staleness,
            }
            with context.stopwatch.part("update"):
                metrics |= ppo.learner.update(batch, targets, step)
            ppo.controller.update(metrics["kl"], len(usable))
            done = step + 1
            context.report(done, spec.steps, metrics)
            if done % spec.optimization.checkpoint_every == 0 and done < spec.steps:
                context.save(ppo.checkpoint(done))
            if done < spec.steps:
                ppo.publisher.publish(done)
    version = context.publish(context.result_name, ppo.publisher.model, ppo.tokenizer, spec.steps, kind="policy")
    return context.outcome(version, metrics | {"left_out_long": ppo.num_long, "rollouts_used": ppo.ledger.used})


def experience(context: StageContext, spec: PpoSpec, ppo: Ppo, step: int) -> list[Rollout]:
    """The rollouts of a step, persisted: those of an earlier attempt where the weights are the same, else new ones.

    New ones, too, where too many scores had failed: the attempt died of it, and its successor would for ever.
    """
    rollouts = ppo.ledger.replay(step, ppo.publisher.acceptable)
    if not rollouts or not enough(rollouts):
        rollouts = new_experience(context, spec, ppo, step)
    ppo.ledger.record(step, rollouts, ppo.publisher.acceptable)
    return rollouts


def new_experience(context: StageContext, spec: PpoSpec, ppo: Ppo, step: int) -> list[Rollout]:
    indexes = stream(len(ppo.prompts), spec.prompts_per_step, step, context.seed)
    plan = SamplingPlan(
        samples_per_prompt=spec.samples_per_prompt,
        max_new_tokens=spec.max_new_tokens,
        temperature=spec.temperature,
        seed=derived_seed(context.seed, step),
        deterministic=context.deterministic,
    )
    prompts = [ppo.prompts[index] for index in indexes]
    return collect(
        context.collector, ppo.publisher.asked(step), ppo.reward, ppo.reference, prompts, plan, context.stopwatch
    )
