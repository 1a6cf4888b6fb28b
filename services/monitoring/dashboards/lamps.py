"""Single values on a coloured ground: green, amber, red, and grey where there is nothing to judge."""

from dataclasses import replace

from services.monitoring.dashboards.panels import COLUMNS, GREY, RED, Panel, Query, Row, Thresholds

IDLE = -1  # no run is under way, nobody has called: nothing is wrong, and nothing can be said
NOT_A_NUMBER = 1e9
MEANINGS = ((IDLE, "idle", GREY), (NOT_A_NUMBER, "not a number", RED))
HEIGHT = 3


def lamp(title: str, description: str, unit: str, expr: str, thresholds: Thresholds, link: str) -> Panel:
    """`expr` gives one value, none of them below 0. Without a value, or with 0/0, the lamp is grey."""
    query = Query(f"({expr}) >= 0 or vector({IDLE})", "")
    return Panel(title, description, unit, (query,), thresholds, link, "stat", 4, HEIGHT, meanings=MEANINGS)


def count(title: str, description: str, unit: str, expr: str, thresholds: Thresholds, link: str) -> Panel:
    """Where `expr` gives nothing there is nothing to count: 0, and no grey."""
    query = Query(f"{expr} or vector(0)", "")
    return Panel(title, description, unit, (query,), thresholds, link, "stat", 4, HEIGHT)


def with_broken(figure: str) -> str:
    """The figure's values, and NOT_A_NUMBER for those that are not a number, which `lamp` would take for nothing."""
    return f"({figure} == {figure} or ({figure} != bool {figure}) * {NOT_A_NUMBER:g})"


def row_of(title: str, *lamps: Panel) -> Row:
    """Side by side over the whole width."""
    return Row(title, tuple(replace(panel, width=COLUMNS // len(lamps)) for panel in lamps))
