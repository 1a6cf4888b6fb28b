"""A dashboard as a plain value, and its JSON."""

from dataclasses import dataclass, field

from services.monitoring.dashboards.panels import DATASOURCE, Json, Row, link, placed

SCHEMA_VERSION = 39  # Grafana 11; later ones migrate it when they load it
TAG = "rlhf"


@dataclass(frozen=True)
class Variable:
    """`values` is a query, or a list of texts; `multi` allows several and all."""

    name: str
    label: str
    values: str | tuple[str, ...]
    multi: bool = True

    def json(self) -> Json:
        shared = {"name": self.name, "label": self.label, "hide": 0, "skipUrlSync": False, "multi": self.multi}
        whole = {"includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
        if isinstance(self.values, str):
            found = {"type": "query", "datasource": DATASOURCE, "query": self.values, "definition": self.values}
            when = {"refresh": 2, "sort": 1, "regex": ""}  # with the time range; by name
            return shared | found | when | (whole if self.multi else {"includeAll": False})
        first = self.values[0]
        options = [{"text": value, "value": value, "selected": value == first} for value in self.values]
        return shared | {
            "type": "custom",
            "query": ",".join(self.values),
            "options": options,
            "current": {"text": first, "value": first},
            "includeAll": False,
        }


DATASOURCE_VARIABLE: Json = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
    "skipUrlSync": False,
    "multi": False,
    "includeAll": False,
    "refresh": 1,
    "regex": "",
    "options": [],
    "current": {"text": "default", "value": "default"},
}
NAMESPACE = Variable("namespace", "Namespace", "label_values(rlhf_build_info, namespace)")
RUN = Variable("run", "Run", 'label_values(rlhf_run_info{namespace=~"$namespace"}, run)')
SERVICE = Variable("service", "Service", ("policy", "reward", "reference"), multi=False)
MODEL = Variable(
    "model",
    "Model",
    'label_values(rlhf_${service}_num_requests_running{namespace=~"$namespace"}, model_name)',
)


@dataclass(frozen=True)
class Event:
    """Drawn where `expr` is above 0."""

    name: str
    expr: str
    color: str
    text: str

    def json(self) -> Json:
        return {
            "name": self.name,
            "enable": True,
            "hide": False,
            "iconColor": self.color,
            "datasource": DATASOURCE,
            "expr": self.expr,
            "step": "15s",
            "titleFormat": self.name,
            "textFormat": self.text,
            "useValueForTime": False,
        }


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    events: tuple[Event, ...] = field(default=())

    def json(self) -> Json:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,  # one crosshair over all panels
            "timezone": "browser",
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timepicker": {},
            "links": [link("RLHF", type="dashboards", tags=[TAG], asDropdown=True)],
            "annotations": {"list": [event.json() for event in self.events]},
            "templating": {"list": [DATASOURCE_VARIABLE, *(variable.json() for variable in self.variables)]},
            "panels": placed(self.rows),
        }
