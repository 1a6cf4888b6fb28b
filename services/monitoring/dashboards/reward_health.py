"""Does the reward rise because answers get better? What hacking looks like, side by side."""

from services.monitoring.dashboards.dashboard import NAMESPACE, RUN, Dashboard
from services.monitoring.dashboards.panels import Panel, Query, Row, Thresholds, on_the_right
from services.monitoring.dashboards.run import OF_RUN
from services.monitoring.dashboards.scatter import Axis, scatter
from services.monitoring.queries import NS, rate, share

LEGEND = "{{run}} {{stage}}"


def figure(name: str, legend: str) -> Query:
    return Query(f"rlhf_run_{name}{{{OF_RUN}}}", f"{LEGEND}: {legend}")


AGAINST_KL = Row(
    "Proxy reward against KL",
    (
        scatter("Reward against KL", "A dot for each moment of a run. It climbs to the right while KL buys reward; "
                "where it goes flat or bends down, answers only move away from the reference.",
                Axis("Reward", "score points", f"rlhf_run_reward{{{OF_RUN}}}"),
                Axis("KL to the reference", "nats per response", f"rlhf_run_kl_nats{{{OF_RUN}}}"), Thresholds(5, 8),
                "rlhf-run"),
        Panel("Reward (left) and KL (right)", "The same over time: reward that stops rising while KL goes on is bought "
              "with distance from the reference: stop, or raise the KL coefficient.", "score points",
              (figure("reward", "reward"), figure("kl_nats", "KL")), Thresholds(5, 8), "rlhf-run", width=12, height=9,
              overrides=(on_the_right(".*KL$"),)),
        Panel("Reward per nat of KL", "What a nat of distance buys; falling is the usual sign of over-optimisation.",
              "score points per nat",
              (Query(f"rlhf_run_reward{{{OF_RUN}}} / clamp_min(rlhf_run_kl_nats{{{OF_RUN}}}, 0.1)", LEGEND),),
              Thresholds(0.2, 0.05, falling=True), "rlhf-run"),
        Panel("Reward (left) and length (right)", "Rising together: longer answers may be all that was learnt.",
              "score points", (figure("reward", "reward"), figure("response_tokens", "length")), Thresholds(5, 8),
              "rlhf-run", overrides=(on_the_right(".*length$"),)),
        Panel("Spread of the reward", "90th less 10th percentile; near 0 all answers are alike.", "score points",
              (Query(f'rlhf_run_reward_quantile{{quantile="0.9", {OF_RUN}}} - ignoring(quantile) '
                     f'rlhf_run_reward_quantile{{quantile="0.1", {OF_RUN}}}', LEGEND),),
              Thresholds(0.2, 0.05, falling=True), "rlhf-run"),
    ),
)  # fmt: skip

LENGTH = Row(
    "Reward by length",
    (
        Panel("Mean reward by response length", "Lines far apart: the judge pays for length.", "score points",
              (Query(f"rlhf_run_reward_at_length{{{OF_RUN}}}", "{{run}} {{tokens}} tokens"),), Thresholds(5, 8),
              "rlhf-run", width=12),
        Panel("Entropy", "A collapse to one answer shows here first.", "nats per token",
              (figure("entropy_nats", "entropy"),), Thresholds(0.3, 0.1, falling=True), "rlhf-run", width=12),
    ),
)  # fmt: skip

LOST = Row(
    "Answers that do not count as they should",
    (
        Panel("Without an end", "Share cut off at max_new_tokens; they get the value for missing ends.", "ratio",
              (figure("without_eos_ratio", "without an end"),), Thresholds(0.1, 0.3), "rlhf-run"),
        Panel("Truncated", "Share whose prompt lost its start to fit the reward model, as PPO saw them.", "ratio",
              (figure("truncated_ratio", "truncated"),), Thresholds(0.01, 0.1), "rlhf-run"),
        Panel("Failed or dropped", "Share of PPO's samples without a score, by reason.", "ratio",
              (Query(share(f"rlhf_run_dropped_samples_total{{{OF_RUN}}}", f"rlhf_run_samples_total{{{OF_RUN}}}",
                           "run"), "{{run}}"),), Thresholds(0.005, 0.01), "rlhf-run"),
        Panel("Failed scores of the reward service", "Items per second, for all callers, by reason.", "per second",
              (Query(rate(f"rlhf_reward_failed_scores_total{{{NS}}}", "model_name, reason"),
                     "{{model_name}} {{reason}}"),), Thresholds(0.01, 1), "rlhf-serving", width=12),
        Panel("Truncated items of the reward service", "Items per second, for all callers.", "per second",
              (Query(rate(f"rlhf_reward_truncated_total{{{NS}}}", "model_name"), "{{model_name}}"),),
              Thresholds(0.1, 1), "rlhf-serving", width=12),
    ),
)  # fmt: skip

REWARD_HEALTH = Dashboard(
    "rlhf-reward-health",
    "RLHF / Reward health",
    "Is the reward rising because answers are better, or is it being hacked?",
    (NAMESPACE, RUN),
    (AGAINST_KL, LENGTH, LOST),
)
