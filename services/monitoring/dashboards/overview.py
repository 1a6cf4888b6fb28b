"""The alerts, and one row of lamps per stage: is anything wrong, and where to look."""

from services.monitoring.dashboards.dashboard import NAMESPACE, Dashboard
from services.monitoring.dashboards.lamps import HEIGHT, count, lamp, row_of, with_broken
from services.monitoring.dashboards.panels import Panel, Query, Row, Thresholds
from services.monitoring.queries import BAD_CODES, NS, RUNNING, quantile, rate, share_or_zero

SERVICES = {"policy": "PolicyService", "reward": "RewardService", "reference": "ReferenceService"}
WHAT = {"policy": "Rollouts: policy", "reward": "Scores: reward", "reference": "Log-probs: reference"}
MODELS, RUNS, STORE = "rlhf-serving", "rlhf-run", "rlhf-storage"


def firing(severity: str) -> str:
    return f'count(ALERTS{{alertstate="firing", severity="{severity}", {NS}}})'


ALERTS = Row(
    "Alerts",
    (
        count("Act now", "Critical alerts that fire; docs/runbooks.md has a section for each.", "alerts",
              firing("critical"), Thresholds(1, 1), "rlhf-overview"),
        count("Look today", "Warnings that fire; docs/runbooks.md has a section for each.", "alerts",
              firing("warning"), Thresholds(1, 5), "rlhf-overview"),
        Panel("Which", "By name, with what they are about.", "1",
              (Query(f'max by (alertname, run, grpc_service, instance) (ALERTS{{alertstate="firing", {NS}}})',
                     "{{alertname}} {{run}}{{grpc_service}}{{instance}}"),), Thresholds(1, 2), "rlhf-overview", "stat",
              16, HEIGHT, text="name", none="none"),
    ),
)  # fmt: skip


def replicas(service: str) -> Panel:
    expr = f'count(rlhf_build_info{{service="{service}", {NS}}})'
    return count("Replicas", "Processes that answer scrapes.", "1", expr, Thresholds(1, 0.5, falling=True), STORE)


def calls(rpc: str) -> tuple[Panel, ...]:
    own = f'grpc_service="rlhf.v1.{rpc}", {NS}'
    failing = share_or_zero(
        f'grpc_server_handled_total{{grpc_code=~"{BAD_CODES}", {own}}}', f"grpc_server_handled_total{{{own}}}"
    )
    latency = quantile(0.95, f"grpc_server_handling_seconds_bucket{{{own}}}", "5m")
    arriving = f"sum(rate(grpc_server_started_total{{{own}}}[5m])) > 0"
    return (
        lamp("Failing calls", "Share that ended by the service's own fault, over 5 minutes.", "ratio", failing,
             Thresholds(0.01, 0.05), MODELS),
        lamp("Calls", "Calls per second, over 5 minutes.", "per second", arriving, Thresholds(1000, 2000), MODELS),
        lamp("Latency, 95th percentile", "From a call's arrival to its end.", "seconds", latency, Thresholds(30, 120),
             MODELS),
    )  # fmt: skip


def serving(service: str) -> Row:
    age = f"max(rlhf_{service}_queue_age_seconds{{{NS}}})"
    waiting = f"sum(rlhf_{service}_num_requests_waiting{{{NS}}})"
    return row_of(
        WHAT[service],
        replicas(service),
        *calls(SERVICES[service]),
        lamp("Queue age", "How long the oldest waiting request has waited.", "seconds", age, Thresholds(30, 120),
             MODELS),
        lamp("Waiting", "Admitted and not begun.", "requests", waiting, Thresholds(256, 1024), MODELS),
    )  # fmt: skip


FEEDBACK = row_of(
    "Judgements: feedback",
    replicas("feedback"),
    *calls("FeedbackService"),
    lamp("Waiting items", "Items of open campaigns that want more judgements.", "items",
         f"sum(rlhf_feedback_waiting_items{{{NS}}}) > 0", Thresholds(1e5, 1e6), MODELS),
    count("Failed campaigns", "`rlhf campaigns show CAMPAIGN` says why.", "campaigns",
          f'sum(rlhf_feedback_campaigns{{state="failed", {NS}}})', Thresholds(1, 3), MODELS),
)  # fmt: skip

HTTP = f"rlhf_gateway_requests_total{{{NS}}}"
HTTP_FAILED = f'rlhf_gateway_requests_total{{status=~"5..", {NS}}}'
GATEWAY = row_of(
    "HTTP: gateway",
    lamp("Replicas", "Processes that answer scrapes; grey where no gateway runs.", "1",
         f'count(rlhf_build_info{{service="gateway", {NS}}})', Thresholds(1, 0.5, falling=True), STORE),
    lamp("Failing requests", "Share answered with 5xx, over 5 minutes.", "ratio", share_or_zero(HTTP_FAILED, HTTP),
         Thresholds(0.01, 0.05), MODELS),
    lamp("Requests", "Per second, over 5 minutes.", "per second", f"{rate(HTTP, window='5m')} > 0",
         Thresholds(1000, 2000), MODELS),
    lamp("Latency, 95th percentile", "From a request's arrival to the end of its answer.", "seconds",
         quantile(0.95, f"rlhf_gateway_request_seconds_bucket{{{NS}}}", "5m"), Thresholds(30, 120), MODELS),
    lamp("In progress", "Being answered.", "requests", f"sum(rlhf_gateway_requests_in_progress{{{NS}}})",
         Thresholds(256, 1024), MODELS),
    lamp("Refused", "Requests per second that the gateway refused itself, over 5 minutes.", "per second",
         f"sum(rate(rlhf_gateway_refused_total{{{NS}}}[5m]))", Thresholds(1, 10), MODELS),
)  # fmt: skip

SINCE_STEP = (
    f"(time() - rlhf_run_last_step_timestamp_seconds{{{NS}}}) / clamp_min(rlhf_run_step_seconds_median{{{NS}}}, 20)"
    f" and rlhf_run_step < rlhf_run_steps and {RUNNING}"
)
TRAINING = row_of(
    "Training: trainer and workers",
    replicas("trainer"),
    lamp("Running", "Runs under way.", "runs", f'sum(rlhf_runs{{state="running", {NS}}}) > 0', Thresholds(20, 50),
         RUNS),
    lamp("Oldest queued run", "How long it has waited for a place.", "seconds",
         f"max(rlhf_runs_queue_age_seconds{{{NS}}})", Thresholds(1800, 7200), RUNS),
    count("Failed lately", "Runs that failed within the last 15 minutes.", "runs",
          f'count(rlhf_run_info{{state="failed", {NS}}})', Thresholds(1, 3), RUNS),
    lamp("Silence of a worker", "Longest time since a worker under way gave a sign of life.", "seconds",
         f"max(clamp_min(time() - rlhf_run_heartbeat_timestamp_seconds{{{NS}}}, 0))", Thresholds(30, 120), RUNS),
    lamp("Since the last step", "In medians of the run's own steps (of at least 20 s); the slowest run.", "medians",
         f"max({SINCE_STEP})", Thresholds(3, 10), RUNS),
    lamp("KL to the reference", "Per response, the largest of the runs under way.", "nats per response",
         f"max(clamp_min({with_broken(f'rlhf_run_kl_nats{{{NS}}}')}, 0) and {RUNNING})", Thresholds(15, 50),
         "rlhf-reward-health"),
    lamp("Dropped scores", "Share of PPO's samples without a score, over 30 minutes.", "ratio",
         f"sum(increase(rlhf_run_dropped_samples_total{{{NS}}}[30m])) / "
         f"sum(increase(rlhf_run_samples_total{{{NS}}}[30m]))", Thresholds(0.005, 0.01), "rlhf-reward-health"),
)  # fmt: skip

BUDGETS = " or ".join(
    f"rlhf_{service}_weights_memory_bytes{{{NS}}} / rlhf_{service}_weights_memory_budget_bytes{{{NS}}}"
    for service in SERVICES
)
STORAGE = row_of(
    "Storage and capacity",
    count("Storage errors", "Failed operations per second, over 5 minutes.", "per second",
          f"sum(rate(rlhf_storage_errors_total{{{NS}}}[5m]))", Thresholds(0.001, 0.1), STORE),
    lamp("Storage latency, 95th percentile", "Of one operation.", "seconds",
         quantile(0.95, f"rlhf_storage_operation_seconds_bucket{{{NS}}}", "5m"), Thresholds(1, 5), STORE),
    count("Targets down", "Processes that Prometheus knows and cannot scrape.", "1", f"count(up{{{NS}}} == 0)",
          Thresholds(1, 2), STORE),
    lamp("Weights in memory", "Share of the budget, the fullest process; at 1 the least recently used model goes.",
         "ratio", f"max({BUDGETS})", Thresholds(0.9, 1), STORE),
    lamp("Certificate", "Until the first one ends; grey without TLS.", "seconds",
         f"clamp_min(min(rlhf_certificate_not_after_timestamp_seconds{{{NS}}}) - time(), 0)",
         Thresholds(14 * 86400, 3 * 86400, falling=True), STORE),
)  # fmt: skip

OVERVIEW = Dashboard(
    "rlhf-overview",
    "RLHF / Overview",
    "Is anything wrong, and where? The alerts, then one row per stage; every lamp leads to the dashboard that says "
    "more. Grey: nothing to judge.",
    (NAMESPACE,),
    (ALERTS, *(serving(service) for service in SERVICES), FEEDBACK, GATEWAY, TRAINING, STORAGE),
)
