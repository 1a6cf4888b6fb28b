"""What wakes somebody up, or waits for the morning; docs/runbooks.md has a section for each."""

from dataclasses import dataclass
from typing import Any

from services.monitoring.queries import BAD_CODES, RUNNING, share

PAGE, TICKET = "critical", "warning"

# Of a service's calls, 99 % end without a fault of its own over 30 days. At 14.4 times the allowed rate a fiftieth of
# the budget is gone in an hour, at 6 times a twentieth in six (Google's SRE workbook, chapter 5).
BUDGET = 0.01
SERVICE = "namespace, grpc_service"
HANDLED, REQUESTS = "grpc_server_handled_total", "rlhf_gateway_requests_total"
STAGE = "namespace, run, stage"

QUEUE_SECONDS = 120
STALLED_FACTOR, STALLED_SECONDS = 3, 60  # times the median step; and at least so long
KL_NATS, UPDATE_KL_NATS = 50, 1.0  # per response; per token of one update
# Within half an hour: score points, nats above which distance counts, more nats, longer by this factor.
REWARD_RISE, KL_FROM, KL_RISE, LENGTH_FACTOR = 0.5, 10, 2, 1.2
DROPPED_SHARE = 0.01
CERTIFICATE_DAYS = 14  # cert-manager renews 30 days before the end


@dataclass(frozen=True)
class Alert:
    """Fires where `expr` has held for `hold`."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str

    def rule(self) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.hold,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook": f"docs/runbooks.md#{self.name.lower()}"},
        }


def burn(factor: float, *windows: str) -> str:
    """Both windows: the long one shows that it matters, the short one that it goes on."""
    calls = _burn(f'{HANDLED}{{grpc_code=~"{BAD_CODES}"}}', HANDLED, SERVICE, factor, windows)
    http = _burn(f'{REQUESTS}{{status=~"5.."}}', REQUESTS, "namespace", factor, windows)
    return f'{calls}\nor\nlabel_replace(\n{http},\n"grpc_service", "gateway", "", "")'


def _burn(failing: str, all_: str, by: str, factor: float, windows: tuple[str, ...]) -> str:
    return "\nand\n".join(f"{share(failing, all_, by, window)} > {factor * BUDGET:g}" for window in windows)


def queue_age(service: str) -> str:
    return f"max by (namespace, instance, model_name) (rlhf_{service}_queue_age_seconds) > {QUEUE_SECONDS}"


def rises(figure: str) -> str:
    return f"{figure} - min_over_time({figure}[30m])"


def dropped(window: str) -> str:
    parts = (f"sum by ({STAGE}) (increase(rlhf_run_{name}_total[{window}]))" for name in ("dropped_samples", "samples"))
    return " / ".join(parts)


ALERTS = (
    Alert(
        "ErrorBudgetBurnsFast",
        burn(14.4, "1h", "5m"),
        "2m",
        PAGE,
        "{{ $labels.grpc_service }} fails {{ $value | humanizePercentage }} of its calls by its own fault",
    ),
    Alert(
        "ErrorBudgetBurnsSlowly",
        burn(6, "6h", "30m"),
        "15m",
        TICKET,
        "{{ $labels.grpc_service }} has failed {{ $value | humanizePercentage }} of its calls for hours",
    ),
    Alert(
        "ServiceDown",
        "up == 0",
        "2m",
        PAGE,
        "{{ $labels.instance }} does not answer its scrapes",
    ),
    Alert(
        "QueueTooOld",
        "\nor\n".join(map(queue_age, ("policy", "reward", "reference"))),
        "5m",
        TICKET,
        "A request for {{ $labels.model_name }} has waited {{ $value | humanizeDuration }} on {{ $labels.instance }}",
    ),
    Alert(
        "NoOptimiserStep",
        f"time() - rlhf_run_last_step_timestamp_seconds\n"
        f"  > clamp_min({STALLED_FACTOR} * rlhf_run_step_seconds_median, {STALLED_SECONDS})\n"
        f"and rlhf_run_step < rlhf_run_steps\n"
        f"and {RUNNING}",
        "1m",
        TICKET,
        "{{ $labels.run }} has made no step of {{ $labels.stage }} for {{ $value | humanizeDuration }}",
    ),
    Alert(
        "WeightsLag",
        "rlhf_run_weights_lag_steps >= 1 and rlhf_run_weights_lag_steps >= rlhf_run_max_staleness_steps",
        "10m",
        TICKET,
        "{{ $labels.run }} learns from rollouts {{ $value }} steps old, as old as allowed or older",
    ),
    Alert(
        "KlDiverges",
        f"rlhf_run_kl_nats > {KL_NATS} or rlhf_run_kl_nats != rlhf_run_kl_nats\n"
        f"or rlhf_run_approx_kl_nats > {UPDATE_KL_NATS} or rlhf_run_approx_kl_nats != rlhf_run_approx_kl_nats",
        "0m",
        PAGE,
        "KL of {{ $labels.run }} is {{ $value }}",
    ),
    Alert(
        "RewardHacking",
        f"{rises('rlhf_run_reward')} > {REWARD_RISE}\n"
        f"and rlhf_run_kl_nats > {KL_FROM}\n"
        f"and {rises('rlhf_run_kl_nats')} > {KL_RISE}\n"
        f"and rlhf_run_response_tokens > {LENGTH_FACTOR} * min_over_time(rlhf_run_response_tokens[30m])",
        "5m",
        TICKET,
        "Reward, KL and length of {{ $labels.run }} rise together",
    ),
    Alert(
        "ScoresDropped",
        f"{dropped('30m')} > {DROPPED_SHARE}",
        "1m",
        TICKET,
        "{{ $value | humanizePercentage }} of the samples of {{ $labels.run }} get no score",
    ),
    Alert(
        "RunFailed",
        'max by (namespace, run, name) (rlhf_run_info{state="failed"}) == 1',
        "0m",
        TICKET,
        "Run {{ $labels.run }} ({{ $labels.name }}) has failed",
    ),
    Alert(
        "StorageErrors",
        "sum by (namespace, operation, error) (rate(rlhf_storage_errors_total[5m])) > 0",
        "5m",
        PAGE,
        'Storage fails {{ $labels.operation }} ({{ $labels.error }}) {{ $value | printf "%.3g" }} times a second',
    ),
    Alert(
        "CertificateExpires",
        f"rlhf_certificate_not_after_timestamp_seconds - time() < {CERTIFICATE_DAYS} * 86400",
        "1h",
        TICKET,
        "The certificate of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}",
    ),
)


def rules() -> dict[str, Any]:
    """As Prometheus reads them, and as the `spec` of a PrometheusRule."""
    return {"groups": [{"name": "rlhf", "rules": [alert.rule() for alert in ALERTS]}]}
