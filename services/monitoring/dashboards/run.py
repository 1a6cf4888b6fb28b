"""All curves of a run, with what happened to it."""

from services.monitoring.curves import CURVES, Curve
from services.monitoring.dashboards.dashboard import NAMESPACE, RUN, Dashboard, Event
from services.monitoring.dashboards.panels import Panel, Query, Row, Thresholds
from services.monitoring.queries import NS, quantile, rate

OF_RUN = f'run=~"$run", {NS}'


def curve_panel(curve: Curve) -> Panel:
    queries = []
    for figure in curve.figures:
        values = zip(figure.metric.labels[2:], figure.values, strict=True)
        labels = "".join(f'{name}="{value}", ' for name, value in values)
        queries.append(Query(f"{figure.metric.name}{{{labels}{OF_RUN}}}", f"{{{{run}}}} {{{{stage}}}}: {figure.title}"))
    link = "rlhf-reward-health" if "reward" in " ".join(curve.keys) else "rlhf-serving"
    return Panel(curve.title, curve.description, curve.unit, tuple(queries), Thresholds(*curve.bounds), link)


def fact(title: str, description: str, unit: str, expr: str, legend: str, thresholds: Thresholds) -> Panel:
    query = (Query(expr, legend),)
    return Panel(title, description, unit, query, thresholds, "rlhf-overview", kind="stat", width=6, height=4)


PROGRESS = Row(
    "Progress",
    (
        fact("State", "Which runs these are, and how they stand.", "1", f"rlhf_run_info{{{OF_RUN}}}",
             "{{name}} ({{run}}): {{state}}", Thresholds(2, 3)),
        fact("Done", "Share of the stage's steps.", "ratio", f"rlhf_run_step{{{OF_RUN}}} / rlhf_run_steps{{{OF_RUN}}}",
             "{{run}} {{stage}}", Thresholds(2, 3)),
        fact("Attempt", "Above 1 after a restart.", "1", f"rlhf_run_attempt{{{OF_RUN}}}", "{{run}}", Thresholds(2, 3)),
        fact("Since the last step", "Compare with the time of a step.", "seconds",
             f"time() - rlhf_run_last_step_timestamp_seconds{{{OF_RUN}}}", "{{run}} {{stage}}", Thresholds(300, 1800)),
    ),
)  # fmt: skip

TIME = Row(
    "Where the time goes",
    (
        Panel("Time of a step", "The last step, and the median of the last 50.", "seconds",
              (Query(f"rlhf_run_step_seconds{{{OF_RUN}}}", "{{run}} {{stage}}"),
               Query(f"rlhf_run_step_seconds_median{{{OF_RUN}}}", "{{run}} {{stage}}: median")),
              Thresholds(300, 1800), "rlhf-serving", width=12),
        Panel("Parts of a step", "Share of the worker's time: rollout, score, reference, advantage, update, publish, "
              "checkpoint. Score and reference run at the same time.", "ratio",
              (Query(rate(f"rlhf_stage_seconds_sum{{{OF_RUN}}}", "run, stage"), "{{run}}: {{stage}}"),),
              Thresholds(0.9, 1.1), "rlhf-serving", width=12),
        Panel("Parts of a step, 95th percentile", "Of one part of one step.", "seconds",
              (Query(quantile(0.95, f"rlhf_stage_seconds_bucket{{{OF_RUN}}}", by="run, stage"), "{{run}}: {{stage}}"),),
              Thresholds(120, 300), "rlhf-storage", width=12),
        Panel("Samples without a score", "Per second, by reason, beside all; they are left out, never scored 0.",
              "per second",
              (Query(rate(f"rlhf_run_dropped_samples_total{{{OF_RUN}}}", "run, reason"), "{{run}}: {{reason}}"),
               Query(rate(f"rlhf_run_samples_total{{{OF_RUN}}}", "run"), "{{run}}: all")),
              Thresholds(1000, 10000), "rlhf-reward-health", width=12),
    ),
)  # fmt: skip

EVENTS = (
    Event("publish", f'sum by (run) (increase(rlhf_stage_seconds_count{{stage="publish", {OF_RUN}}}[1m])) > 0',
          "blue", "{{run}} published weights"),
    Event("checkpoint", f'sum by (run) (increase(rlhf_stage_seconds_count{{stage="checkpoint", {OF_RUN}}}[1m])) > 0',
          "green", "{{run}} wrote a checkpoint"),
    Event("restart", f"changes(rlhf_run_attempt{{{OF_RUN}}}[1m]) > 0", "red", "{{run}} began another attempt"),
)  # fmt: skip

RUN_DASHBOARD = Dashboard(
    "rlhf-run",
    "RLHF / Run",
    "All curves of a run as its steps were reported; vertical lines are publishes, checkpoints and restarts.",
    (NAMESPACE, RUN),
    (PROGRESS, Row("Curves", tuple(curve_panel(curve) for curve in CURVES)), TIME),
    EVENTS,
)
