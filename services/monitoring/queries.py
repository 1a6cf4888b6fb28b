"""Pieces of PromQL that dashboards and alerts share."""

NS = 'namespace=~"$namespace"'
RATE = "$__rate_interval"  # Grafana's: long enough for whatever the scrape interval is

# Calls that ended by the service's own fault. Refused input and a full queue are answers.
BAD_CODES = "INTERNAL|UNKNOWN|DATA_LOSS|UNAVAILABLE|DEADLINE_EXCEEDED"


# Runs that work, as the right side of an `and`.
RUNNING = 'on (namespace, run) rlhf_run_info{state="running"} == 1'


def rate(metric: str, by: str = "", window: str = RATE) -> str:
    return f"sum{_by(by)}(rate({metric}[{window}]))"


def share(part: str, whole: str, by: str = "", window: str = "5m") -> str:
    return f"{rate(part, by, window)} / {rate(whole, by, window)}"


def share_or_zero(part: str, whole: str, window: str = "5m") -> str:
    """As `share`, and 0 where there has never been any of the part."""
    return f"({rate(part, window=window)} or vector(0)) / {rate(whole, window=window)}"


def quantile(share: float, buckets: str, window: str = RATE, by: str = "") -> str:
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({buckets}[{window}])))"


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""
