"""The queries of all dashboards as Prometheus is asked them, every variable filled in."""

from collections.abc import Iterator

from services.monitoring.dashboards import DASHBOARDS
from services.monitoring.dashboards.dashboard import SERVICE, Dashboard
from services.monitoring.dashboards.panels import Panel


def dashboard_queries(window: str = "1m") -> Iterator[tuple[str, str]]:
    """(where it stands, query); a panel over the chosen service gives one for each."""
    for dashboard in DASHBOARDS:
        for panel in (panel for row in dashboard.rows for panel in row.panels):
            yield from _of_panel(dashboard, panel, window)
        for event in dashboard.events:
            yield f"{dashboard.uid} / event {event.name}", fill(event.expr, "", window)


def _of_panel(dashboard: Dashboard, panel: Panel, window: str) -> Iterator[tuple[str, str]]:
    for query in panel.queries:
        for service in SERVICE.values if "${service}" in query.expr else ("",):
            yield f"{dashboard.uid} / {panel.title} {service}".rstrip(), fill(query.expr, service, window)


def fill(expr: str, service: str, window: str) -> str:
    for variable in ("$namespace", "$model", "$run"):
        expr = expr.replace(variable, ".*")
    return expr.replace("${service}", service).replace("$__rate_interval", window)
