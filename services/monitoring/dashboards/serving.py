"""Policy, reward and reference as services: queues, latency, tokens, weights."""

from services.monitoring.dashboards.dashboard import MODEL, NAMESPACE, SERVICE, Dashboard
from services.monitoring.dashboards.panels import Panel, Query, Row, Thresholds
from services.monitoring.queries import BAD_CODES, NS, quantile, rate

OF_MODEL = f'model_name=~"$model", {NS}'
LEGEND = "{{model_name}}"
ANSWERED = {
    "samples": "rlhf_policy_samples_total",
    "items": "rlhf_reward_items_total",
    "sequences": "rlhf_reference_sequences_total",
}


def own(name: str) -> str:
    """Of the chosen service and model."""
    return f"rlhf_${{service}}_{name}{{{OF_MODEL}}}"


def mean(histogram: str) -> str:
    total, count = (rate(own(f"{histogram}_{part}"), "model_name") for part in ("sum", "count"))
    return f"{total} / {count}"


def quantiles(histogram: str) -> tuple[Query, ...]:
    """`histogram` with its labels, as buckets."""
    return tuple(
        Query(quantile(q, histogram, by="model_name"), f"{LEGEND} p{round(100 * q)}") for q in (0.5, 0.95, 0.99)
    )


QUEUE = Row(
    "Queue and latency",
    (
        Panel("Running and waiting", "Requests, or for the policy sequences.", "requests",
              (Query(f"sum by (model_name) ({own('num_requests_running')})", f"{LEGEND} running"),
               Query(f"sum by (model_name) ({own('num_requests_waiting')})", f"{LEGEND} waiting")),
              Thresholds(256, 1024), "rlhf-overview"),
        Panel("Queue age", "How long the oldest waiting request has waited.", "seconds",
              (Query(f"max by (model_name) ({own('queue_age_seconds')})", LEGEND),), Thresholds(30, 120),
              "rlhf-overview"),
        Panel("Latency of requests", "From arrival to answer, of those answered.", "seconds",
              quantiles(own("e2e_request_latency_seconds_bucket")), Thresholds(30, 120), "rlhf-overview"),
        Panel("Sequences of a forward pass", "Mean, and 95th percentile: near 1 nothing is batched.", "sequences",
              (Query(mean("batch_size"), f"{LEGEND} mean"),
               Query(quantile(0.95, own("batch_size_bucket"), by="model_name"), f"{LEGEND} p95")),
              Thresholds(512, 1024), "rlhf-overview"),
        Panel("Prompt tokens", "Tokens that came in, per second.", "tokens per second",
              (Query(rate(own("prompt_tokens_total"), "model_name"), LEGEND),), Thresholds(1e6, 1e7), "rlhf-storage"),
        Panel("Answered", "Samples of the policy, items of reward, sequences of reference; per second.", "per second",
              tuple(Query(rate(f"{metric}{{{OF_MODEL}}}", "model_name"), f"{LEGEND} {what}")
                    for what, metric in ANSWERED.items()), Thresholds(1e4, 1e5), "rlhf-overview"),
    ),
)  # fmt: skip

WEIGHTS = Row(
    "Weights",
    (
        Panel("Step of the weights that answered last", "Of a training run it climbs; a promoted model stands still.",
              "step", (Query(f"max by (model_name) ({own('weights_step')})", LEGEND),), Thresholds(1e5, 1e6),
              "rlhf-run"),
        Panel("Time to load or swap", "From the first request until a version can answer, mean of all.", "seconds",
              (Query(f"{own('weights_load_seconds_sum')} / {own('weights_load_seconds_count')}", LEGEND),),
              Thresholds(10, 60), "rlhf-storage"),
        Panel("Failed loads", "Versions that did not load, per second.", "per second",
              (Query(rate(own("weights_load_failures_total"), "model_name"), LEGEND),), Thresholds(0.001, 0.1),
              "rlhf-storage"),
    ),
)  # fmt: skip

POLICY = Row(
    "Policy alone (choose the service policy)",
    (
        Panel("Sampled tokens", "Per second.", "tokens per second",
              (Query(rate(f"rlhf_policy_generation_tokens_total{{{OF_MODEL}}}", "model_name"), LEGEND),),
              Thresholds(1e6, 1e7), "rlhf-run"),
        Panel("Time to the first token", "Of streams.", "seconds",
              quantiles(f"rlhf_policy_time_to_first_token_seconds_bucket{{{OF_MODEL}}}"), Thresholds(1, 5),
              "rlhf-overview"),
        Panel("Time per token", "One decoding step, in which every running sequence gains a token.", "seconds",
              quantiles(f"rlhf_policy_time_per_output_token_seconds_bucket{{{OF_MODEL}}}"), Thresholds(0.2, 1),
              "rlhf-overview"),
    ),
)  # fmt: skip

CALLS = Row(
    "Calls",
    (
        Panel("Calls by method", "Per second; all services.", "per second",
              (Query(rate(f"grpc_server_started_total{{{NS}}}", "grpc_service, grpc_method"),
                     "{{grpc_service}} {{grpc_method}}"),), Thresholds(1000, 2000), "rlhf-overview"),
        Panel("Calls that failed, by code", "Per second; the service's own fault.", "per second",
              (Query(rate(f'grpc_server_handled_total{{grpc_code=~"{BAD_CODES}", {NS}}}', "grpc_service, grpc_code"),
                     "{{grpc_service}} {{grpc_code}}"),), Thresholds(0.01, 1), "rlhf-overview"),
        Panel("Time of calls, 95th percentile", "From a call's arrival to its end.", "seconds",
              (Query(quantile(0.95, f"grpc_server_handling_seconds_bucket{{{NS}}}", by="grpc_service, grpc_method"),
                     "{{grpc_service}} {{grpc_method}}"),), Thresholds(30, 120), "rlhf-overview"),
    ),
)  # fmt: skip

HTTP = Row(
    "HTTP: gateway",
    (
        Panel("Requests", "Per second, by route and status.", "per second",
              (Query(rate(f"rlhf_gateway_requests_total{{{NS}}}", "method, route, status"),
                     "{{method}} {{route}} {{status}}"),), Thresholds(1000, 2000), "rlhf-overview"),
        Panel("Time of a request, 95th percentile", "From its arrival to the end of its answer; a stream ends late.",
              "seconds",
              (Query(quantile(0.95, f"rlhf_gateway_request_seconds_bucket{{{NS}}}", by="route"), "{{route}}"),),
              Thresholds(30, 120), "rlhf-overview"),
        Panel("Refused by the gateway", "Per second, by what was wrong: rate and busy are load, token, role, origin "
              "and host are people or other sites, the rest is what was sent.", "per second",
              (Query(rate(f"rlhf_gateway_refused_total{{{NS}}}", "reason"), "{{reason}}"),), Thresholds(1, 10),
              "rlhf-overview"),
        Panel("Open streams", "Chats and pages of runs that are being sent.", "streams",
              (Query(f"sum(rlhf_gateway_streams_open{{{NS}}})", "streams"),
               Query(f"sum(rlhf_gateway_requests_in_progress{{{NS}}})", "requests in all")), Thresholds(256, 1024),
              "rlhf-overview"),
    ),
)  # fmt: skip

FEEDBACK = Row(
    "Judgements: feedback",
    (
        Panel("Judgements", "Per second, by kind of answer. Many skips or undos: look at the guidelines.", "per second",
              (Query(rate(f"rlhf_feedback_judgements_total{{{NS}}}", "answer"), "{{answer}}"),), Thresholds(100, 1000),
              "rlhf-overview"),
        Panel("Waiting items", "Items of open campaigns that want more judgements.", "items",
              (Query(f"sum(rlhf_feedback_waiting_items{{{NS}}})", "items"),), Thresholds(1e5, 1e6), "rlhf-overview"),
        Panel("Campaigns", "By state; `rlhf campaigns show CAMPAIGN` says why one failed.", "campaigns",
              (Query(f"sum by (state) (rlhf_feedback_campaigns{{{NS}}})", "{{state}}"),), Thresholds(500, 1000),
              "rlhf-overview"),
        Panel("Time of an export, 95th percentile", "From its turn until the dataset or file is there.", "seconds",
              (Query(quantile(0.95, f"rlhf_feedback_export_seconds_bucket{{{NS}}}", by="kind"), "{{kind}}"),),
              Thresholds(30, 120), "rlhf-storage"),
    ),
)  # fmt: skip

SERVING = Dashboard(
    "rlhf-serving",
    "RLHF / Serving",
    "One service at a time: what waits, how long it takes, which weights answer.",
    (NAMESPACE, SERVICE, MODEL),
    (QUEUE, WEIGHTS, POLICY, CALLS, HTTP, FEEDBACK),
)
