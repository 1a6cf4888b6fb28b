"""The figures of a step: what workers report, and what the control plane exports it as.

A figure has one source, the control plane: a short job is gone before anybody scrapes it.
"""

from dataclasses import dataclass

from prometheus_client import Gauge

from services.runtime.definitions import Metric, gauge
from services.trainer.metrics import DROP_REASONS, STAGE


@dataclass(frozen=True)
class Figure:
    """`key` is what workers call it; `values` are those of the labels after run and stage."""

    key: str
    title: str
    metric: Metric[Gauge]
    values: tuple[str, ...] = ()


def _figure(key: str, title: str, unit: str, help: str, name: str = "") -> Figure:
    return Figure(key, title, gauge(f"rlhf_run_{name or key}", unit, help, STAGE))


_QUANTILE = gauge(
    "rlhf_run_reward_quantile",
    "score points",
    "Quantile over the step's responses of the normalised score",
    (*STAGE, "quantile"),
)
_AT_LENGTH = gauge(
    "rlhf_run_reward_at_length",
    "score points",
    "Mean normalised score of the step's responses of so many tokens; absent where there are none",
    (*STAGE, "tokens"),
)
LENGTH_BINS = ("1-15", "16-31", "32-63", "64-127", "128-255", "256-")

FIGURES = (
    _figure(
        "loss", "Loss", "nats", "SFT: -log-prob per response token; reward model and DPO: -log sigmoid(margin) per pair"
    ),
    _figure(
        "accuracy",
        "Pairs in the right order",
        "ratio",
        "Share of the batch's pairs whose chosen answer is above",
        "accuracy_ratio",
    ),
    _figure(
        "margin", "Margin", "logits", "Chosen minus rejected, mean over pairs: scores, or for DPO implicit rewards"
    ),
    _figure(
        "chosen_reward",
        "Implicit reward of chosen",
        "logits",
        "DPO: beta * log(policy / reference) of the chosen answer, mean over pairs",
    ),
    _figure("rejected_reward", "Implicit reward of rejected", "logits", "DPO: the same of the rejected answer"),
    _figure(
        "reward",
        "Reward (normalised)",
        "score points",
        "Reward model's logit minus its offset, mean over the step's responses, before the rule for missing ends",
    ),
    _figure("raw_reward", "Reward (raw logit)", "logits", "Reward model's logit, mean over the step's responses"),
    *(Figure(f"reward_p{q}", f"Reward, {q}th percentile", _QUANTILE, (f"0.{q // 10}",)) for q in (10, 50, 90)),
    *(
        Figure(f"reward_at_length_{bin.partition('-')[0]}", f"Reward at {bin} tokens", _AT_LENGTH, (bin,))
        for bin in LENGTH_BINS
    ),
    _figure(
        "objective",
        "Objective",
        "score points",
        "Clipped score, missing ends replaced, minus beta * KL; mean over responses: what is maximised",
    ),
    _figure("score", "Score (evaluation)", "score points", "Normalised score, mean over the responses so far"),
    _figure(
        "kl",
        "KL to the reference, per response",
        "nats per response",
        "Sum over a response's tokens of log(policy / reference), mean over responses",
        "kl_nats",
    ),
    _figure(
        "kl_per_token",
        "KL to the reference, per token",
        "nats per token",
        "The same sum over all tokens of the step, divided by their number",
        "kl_per_token_nats",
    ),
    _figure("kl_coefficient", "KL coefficient (beta)", "1", "What KL is multiplied by in the reward"),
    _figure(
        "entropy",
        "Entropy",
        "nats per token",
        "-sum p log p of the policy before the update, mean over tokens",
        "entropy_nats",
    ),
    _figure(
        "response_length",
        "Response length",
        "tokens",
        "Mean over the step's responses, the end-of-sequence token included",
        "response_tokens",
    ),
    _figure(
        "without_eos",
        "Responses without an end",
        "ratio",
        "Share of responses cut off at max_new_tokens",
        "without_eos_ratio",
    ),
    _figure(
        "truncated",
        "Prompts cut for the reward model",
        "ratio",
        "Share of scored responses whose prompt lost its start to fit the reward model's context",
        "truncated_ratio",
    ),
    _figure("failed_scores", "Failed scores (evaluation)", "responses", "Responses so far that got no score"),
    _figure("policy_loss", "Policy loss", "1", "Clipped surrogate per token, mean over the step's updates"),
    _figure(
        "value_loss",
        "Value loss",
        "squared score points",
        "0.5 * max(squared error, clipped squared error) per token, mean over the step's updates",
    ),
    _figure(
        "explained_variance",
        "Explained variance",
        "ratio",
        "1 - Var(returns - old values) / Var(returns); 0 is no better than a constant",
    ),
    _figure(
        "clip_fraction", "Clip fraction", "ratio", "Share of tokens whose probability ratio was clipped", "clip_ratio"
    ),
    _figure(
        "approx_kl",
        "KL of the update",
        "nats per token",
        "k3 estimate of KL(before, after), mean over the step's updates",
        "approx_kl_nats",
    ),
    _figure("grad_norm", "Gradient norm", "1", "L2 norm before clipping, mean over the step's updates"),
    _figure("value_grad_norm", "Gradient norm of the value model", "1", "The same of the value model"),
    _figure("learning_rate", "Learning rate", "1", "Of the step's updates, mean"),
    _figure(
        "tokens_per_second",
        "Tokens per second",
        "tokens per second",
        "Response tokens of the step / its time",
        "tokens_per_second",
    ),
    _figure(
        "mismatch",
        "Mismatch with the generator",
        "nats per token",
        "|trainer's log-prob - generator's|, mean over tokens; the importance weight corrects for it",
        "mismatch_nats",
    ),
    _figure(
        "mismatch_max",
        "Largest mismatch with the generator",
        "nats",
        "The same, largest of the step",
        "mismatch_max_nats",
    ),
    _figure(
        "weights_lag",
        "Age of the generating weights",
        "steps",
        "Steps between the newest weights and those that made the rollouts, mean",
        "weights_lag_steps",
    ),
    _figure(
        "max_staleness",
        "Allowed age of the generating weights",
        "steps",
        "The spec's max_staleness",
        "max_staleness_steps",
    ),
)

# What workers report beside the figures: counted above, or measured by the worker itself as rlhf_stage_seconds.
NOT_EXPORTED = {"seconds", "samples", "dropped_samples", *DROP_REASONS, "tokens", "responses"}
