"""Panels and rows as plain values, and the JSON that Grafana reads (classic schema).

Plain dictionaries, not Grafana's SDK: a panel here is a title, a reading, a unit and queries, and the rest is this
file. The SDK is numbered by an epoch that makes a plain install a build for Grafana 10.1. Its JSON schemas, pinned,
judge the result in the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.monitoring.dashboards.looks import LOOKS, Json, Look

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
GREEN, AMBER, RED, GREY = "green", "orange", "red", "#808080"

# What the definitions call a unit → what Grafana does.
UNITS = {
    "seconds": "s",
    "unix seconds": "dateTimeFromNow",
    "bytes": "bytes",
    "bytes per second": "Bps",
    "ratio": "percentunit",
    "1": "none",
    "per second": "ops",
    "tokens per second": "suffix: tok/s",
}


@dataclass(frozen=True)
class Query:
    expr: str
    legend: str


@dataclass(frozen=True)
class Thresholds:
    """Red and amber from these values on, or, with `falling`, below them."""

    amber: float
    red: float
    falling: bool = False

    def steps(self) -> list[Json]:
        colours = (RED, AMBER, GREEN) if self.falling else (GREEN, AMBER, RED)
        bounds = (None, self.red, self.amber) if self.falling else (None, self.amber, self.red)
        return [{"color": colour, "value": value} for colour, value in zip(colours, bounds, strict=True)]


@dataclass(frozen=True)
class Panel:
    """`unit` is one of UNITS, or any words. `link` is the dashboard that says more."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    thresholds: Thresholds
    link: str
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    overrides: tuple[Json, ...] = ()  # of single series
    transformations: tuple[Json, ...] = ()  # of what the queries found
    meanings: tuple[tuple[float, str, str], ...] = ()  # (value, text, colour): what is shown instead of a value
    text: str = ""  # of a stat: "name" instead of the value
    none: str = "no data"  # shown where a query finds nothing

    def json(self, number: int, place: Json) -> Json:
        look = LOOKS[self.kind]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": place,
            "targets": [_target(query, look, i) for i, query in enumerate(self.queries)],
            "transformations": list(self.transformations),
            "fieldConfig": {"defaults": self._defaults(look), "overrides": list(self.overrides)},
            "options": look.options | ({"textMode": self.text} if self.text else {}),
            "links": [dashboard_link(self.link)],
        }

    def _defaults(self, look: Look) -> Json:
        return {
            "unit": UNITS.get(self.unit, f"suffix: {self.unit}"),
            "thresholds": {"mode": "absolute", "steps": self.thresholds.steps()},
            "mappings": [_meaning(*meaning) for meaning in self.meanings],
            "noValue": self.none,
            "color": {"mode": look.colours},
            "custom": look.custom,
        }


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


def _meaning(value: float, text: str, colour: str) -> Json:
    return {"type": "value", "options": {f"{value:.0f}": {"text": text, "color": colour}}}


def _target(query: Query, look: Look, index: int) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "editorMode": "code",
        **look.target,
    }


def on_the_right(series: str) -> Json:
    """The axis of the series whose names this regular expression fits."""
    placed = [{"id": "custom.axisPlacement", "value": "right"}]
    return {"matcher": {"id": "byRegexp", "options": series}, "properties": placed}


def dashboard_link(uid: str) -> Json:
    """With the same data source, namespace and time."""
    kept = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "namespace"))
    return link(f"Open {uid}", type="link", url=f"/d/{uid}?{kept}&${{__url_time_range}}")


def link(title: str, **fields: Any) -> Json:
    shared = {"icon": "external link", "tooltip": "", "targetBlank": False, "includeVars": True, "keepTime": True}
    return {"title": title, "tags": [], "asDropdown": False, **shared, **fields}


def placed(rows: Sequence[Row]) -> list[Json]:
    """Panels from left to right, as many as fit beside each other; numbers from 1."""
    panels: list[Json] = []
    y = number = 0
    for row in rows:
        number += 1
        header = _row(row, number, y)
        y += 1
        inside: list[Json] = []
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            inside.append(panel.json(number, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
        panels += [header | {"panels": inside}] if row.collapsed else [header, *inside]
    return panels


def _row(row: Row, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": row.collapsed,
        "gridPos": place,
        "panels": [],
    }
