"""One figure against another, a dot for each moment and a colour for each run and stage."""

from dataclasses import dataclass

from services.monitoring.dashboards.looks import Json, X, Y, by_name
from services.monitoring.dashboards.panels import Panel, Query, Thresholds

SERIES = ("run", "stage")
# The tables of both queries side by side, then one table for each run and stage.
TRANSFORMATIONS: tuple[Json, ...] = (
    {"id": "merge", "options": {}},
    {"id": "partitionByValues", "options": {"fields": list(SERIES), "keepFields": False}},
)


@dataclass(frozen=True)
class Axis:
    """`figure` selects one metric of runs."""

    title: str
    unit: str
    figure: str

    def query(self) -> Query:
        """Without further labels, which would keep the rows of two queries apart."""
        return Query(f"max by ({', '.join(SERIES)}) ({self.figure})", self.title)

    def override(self, field: str) -> Json:
        label = {"id": "custom.axisLabel", "value": f"{self.title} ({self.unit})"}
        return {"matcher": by_name(field), "properties": [label, {"id": "unit", "value": f"suffix: {self.unit}"}]}


def scatter(title: str, description: str, y: Axis, x: Axis, thresholds: Thresholds, link: str) -> Panel:
    return Panel(
        title,
        description,
        y.unit,
        (y.query(), x.query()),
        thresholds,
        link,
        kind="xychart",
        width=12,
        height=9,
        overrides=(y.override(Y), x.override(X)),
        transformations=TRANSFORMATIONS,
    )
