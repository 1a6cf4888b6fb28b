"""One row per stage, red, amber and green: is anything wrong, and where to look."""

from services.monitoring.dashboards.dashboard import NAMESPACE, Dashboard
from services.monitoring.dashboards.panels import Panel, Query, Row, Thresholds
from services.monitoring.queries import BAD_CODES, NS, quantile, rate, share_or_zero

SERVICES = {"policy": "PolicyService", "reward": "RewardService", "reference": "ReferenceService"}
WHAT = {"policy": "Rollouts: policy", "reward": "Scores: reward", "reference": "Log-probs: reference"}


def light(
    title: str, description: str, unit: str, expr: str, thresholds: Thresholds, link: str = "rlhf-serving"
) -> Panel:
    return Panel(title, description, unit, (Query(expr, ""),), thresholds, link, kind="stat", width=4, height=4)


def replicas(service: str) -> Panel:
    expr = f'count(rlhf_build_info{{service="{service}", {NS}}}) or vector(0)'
    return light("Replicas", "Processes that answer scrapes.", "1", expr, Thresholds(1, 0.5, falling=True))


def calls(rpc: str) -> tuple[Panel, ...]:
    own = f'grpc_service="rlhf.v1.{rpc}", {NS}'
    failing = share_or_zero(
        f'grpc_server_handled_total{{grpc_code=~"{BAD_CODES}", {own}}}', f"grpc_server_handled_total{{{own}}}"
    )
    latency = quantile(0.95, f"grpc_server_handling_seconds_bucket{{{own}}}", "5m")
    arriving = f"sum(rate(grpc_server_started_total{{{own}}}[5m]))"
    return (
        light("Failing calls", "Share that ended by the service's own fault, over 5 minutes.", "ratio", failing,
              Thresholds(0.01, 0.05)),
        light("Calls", "Calls per second, over 5 minutes.", "per second", arriving, Thresholds(1000, 2000)),
        light("Latency, 95th percentile", "From a call's arrival to its end.", "seconds", latency, Thresholds(30, 120)),
    )  # fmt: skip


def queue(service: str) -> tuple[Panel, ...]:
    age = f"max(rlhf_{service}_queue_age_seconds{{{NS}}})"
    waiting = f"sum(rlhf_{service}_num_requests_waiting{{{NS}}})"
    return (
        light("Queue age", "How long the oldest waiting request has waited.", "seconds", age, Thresholds(30, 120)),
        light("Waiting", "Admitted and not begun.", "requests", waiting, Thresholds(256, 1024)),
    )


def serving(service: str) -> Row:
    return Row(WHAT[service], (replicas(service), *calls(SERVICES[service]), *queue(service)))


HTTP = f"rlhf_gateway_requests_total{{{NS}}}"
HTTP_FAILED = f'rlhf_gateway_requests_total{{status=~"5..", {NS}}}'
GATEWAY = Row(
    "HTTP: gateway",
    (
        replicas("gateway"),
        light("Failing requests", "Share answered with 5xx, over 5 minutes.", "ratio", share_or_zero(HTTP_FAILED, HTTP),
              Thresholds(0.01, 0.05)),
        light("Requests", "Per second, over 5 minutes.", "per second", rate(HTTP, window="5m"), Thresholds(1000, 2000)),
        light("Latency, 95th percentile", "From a request's arrival to the end of its answer.", "seconds",
              quantile(0.95, f"rlhf_gateway_request_seconds_bucket{{{NS}}}", "5m"), Thresholds(30, 120)),
        light("In progress", "Being answered.", "requests", f"sum(rlhf_gateway_requests_in_progress{{{NS}}})",
              Thresholds(256, 1024)),
    ),
)  # fmt: skip

FEEDBACK = Row("Judgements: feedback", (replicas("feedback"), *calls("FeedbackService")))

TRAINING = Row(
    "Training: trainer and workers",
    (
        replicas("trainer"),
        light("Running", "Runs under way.", "runs", f'sum(rlhf_runs{{state="running", {NS}}})', Thresholds(20, 50),
              "rlhf-run"),
        light("Queued", "Runs that wait for a place.", "runs", f'sum(rlhf_runs{{state="queued", {NS}}})',
              Thresholds(5, 20), "rlhf-run"),
        light("Oldest queued run", "How long it has waited.", "seconds", f"max(rlhf_runs_queue_age_seconds{{{NS}}})",
              Thresholds(1800, 7200), "rlhf-run"),
        light("Failed lately", "Runs that failed within the last 15 minutes.", "runs",
              f'count(rlhf_run_info{{state="failed", {NS}}}) or vector(0)', Thresholds(1, 3), "rlhf-run"),
        light("Silence of a worker", "Longest time since a worker under way gave a sign of life.", "seconds",
              f"max(time() - rlhf_run_heartbeat_timestamp_seconds{{{NS}}})", Thresholds(30, 120), "rlhf-run"),
    ),
)  # fmt: skip

STORAGE = Row(
    "Storage and alerts",
    (
        light("Storage errors", "Failed operations per second, over 5 minutes.", "per second",
              f"sum(rate(rlhf_storage_errors_total{{{NS}}}[5m]))", Thresholds(0.001, 0.1), "rlhf-storage"),
        light("Storage latency, 95th percentile", "Of one operation.", "seconds",
              quantile(0.95, f"rlhf_storage_operation_seconds_bucket{{{NS}}}", "5m"), Thresholds(1, 5), "rlhf-storage"),
        light("Targets down", "Processes that Prometheus knows and cannot scrape.", "1",
              f"count(up{{{NS}}} == 0) or vector(0)", Thresholds(1, 2), "rlhf-storage"),
        light("Alerts", "Firing now; docs/runbooks.md says what to do.", "1",
              f'count(ALERTS{{alertstate="firing", {NS}}}) or vector(0)', Thresholds(1, 3), "rlhf-overview"),
        light("Certificate", "The first one to end.", "seconds",
              f"min(rlhf_certificate_not_after_timestamp_seconds{{{NS}}}) - time()",
              Thresholds(14 * 86400, 3 * 86400, falling=True), "rlhf-overview"),
    ),
)  # fmt: skip

OVERVIEW = Dashboard(
    "rlhf-overview",
    "RLHF / Overview",
    "Is anything wrong, and where? One row per stage; every light leads to the dashboard that says more.",
    (NAMESPACE,),
    (*(serving(service) for service in SERVICES), FEEDBACK, GATEWAY, TRAINING, STORAGE),
)
