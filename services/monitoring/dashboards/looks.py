"""What Grafana's JSON says of a panel by its kind alone."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_LEGEND: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}


@dataclass(frozen=True)
class Look:
    """`target` goes to every query, `colours` is how a value gets its colour."""

    options: Json
    target: Json
    colours: str
    custom: Json = field(default_factory=dict)


TIMESERIES = Look(
    options={"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    target={"range": True, "instant": False},
    colours="palette-classic",
    custom={
        "lineWidth": 1,
        "fillOpacity": 5,
        "showPoints": "auto",
        "spanNulls": False,
        "thresholdsStyle": {"mode": "dashed"},
    },
)
STAT = Look(
    options={
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "auto",
        "orientation": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    target={"range": False, "instant": True},
    colours="thresholds",
)

# One figure against another, a dot for each moment. Every query is a table with a row for each moment and series;
# they are laid side by side, where Grafana calls the values of the queries A and B as follows.
Y, X = "Value #A", "Value #B"


def by_name(name: str) -> Json:
    return {"id": "byName", "options": name}


XYCHART = Look(
    options={
        "mapping": "manual",
        "series": [{"x": {"matcher": by_name(X)}, "y": {"matcher": by_name(Y)}}],
        "legend": _LEGEND,
        "tooltip": {"mode": "single", "sort": "none"},
    },
    target={"range": True, "instant": False, "format": "table"},
    colours="palette-classic",
    custom={"show": "points", "pointSize": {"fixed": 5}, "pointShape": "circle", "fillOpacity": 50},
)
LOOKS = {"timeseries": TIMESERIES, "stat": STAT, "xychart": XYCHART}
