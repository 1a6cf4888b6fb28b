"""The five dashboards: valid, complete, and about metrics that exist."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.monitoring.alerts import ALERTS
from services.monitoring.catalogue import ALL, metrics_in
from services.monitoring.curves import CURVES
from services.monitoring.dashboards import DASHBOARDS
from services.monitoring.dashboards.dashboard import Dashboard
from services.monitoring.dashboards.reward_health import REWARD_HEALTH
from services.monitoring.dashboards.run import RUN_DASHBOARD
from services.trainer.figures import FIGURES
from tests.queries import dashboard_queries


def with_anything(schema: Any) -> Any:
    """What may be anything was published as an object; the overrides of Grafana's own dashboards would not pass."""
    if isinstance(schema, dict):
        anything = schema.get("type") == "object" and schema.get("additionalProperties") == {}
        return {} if anything else {name: with_anything(value) for name, value in schema.items()}
    return [with_anything(value) for value in schema] if isinstance(schema, list) else schema


SCHEMAS = {
    path.name.partition(".")[0]: with_anything(json.loads(path.read_text()))
    for path in (Path(__file__).parent / "grafana_schema").glob("*.json")
}
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    return [panel for panel in dashboard.json()["panels"] if panel["type"] != "row"]


def check(value: Any, schema: str, definition: str) -> None:
    whole = SCHEMAS[schema] | {"$ref": f"#/definitions/{definition}"}
    jsonschema.validate(value, whole, cls=jsonschema.Draft7Validator)


@each_dashboard
def test_it_is_what_grafanas_schemas_allow(dashboard: Dashboard) -> None:
    check(json.loads(json.dumps(dashboard.json())), "dashboard", "Dashboard")
    for panel in panels(dashboard):
        check(panel["options"], panel["type"], "Options")
        if custom := panel["fieldConfig"]["defaults"].get("custom"):
            check(custom, panel["type"], "FieldConfig")
        for target in panel["targets"]:
            check(target, "prometheus", "Dataquery")


def test_the_schemas_refuse_what_they_do_not_know() -> None:
    broken = DASHBOARDS[0].json() | {"pannels": []}
    with pytest.raises(jsonschema.ValidationError, match="pannels"):
        check(broken, "dashboard", "Dashboard")


@each_dashboard
def test_every_panel_says_what_it_shows(dashboard: Dashboard) -> None:
    for panel in panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["description"], panel["title"]
        assert defaults["unit"], panel["title"]
        assert len(defaults["thresholds"]["steps"]) == 3, panel["title"]
        bounds = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
        assert bounds == sorted(bounds), panel["title"]
        assert re.match(r"/d/rlhf-[a-z-]+\?", panel["links"][0]["url"]), panel["title"]
        assert panel["targets"], panel["title"]


@each_dashboard
def test_links_lead_to_dashboards_that_exist(dashboard: Dashboard) -> None:
    known = {d.uid for d in DASHBOARDS}
    linked = {panel["links"][0]["url"].split("?")[0].removeprefix("/d/") for panel in panels(dashboard)}
    assert linked <= known


@each_dashboard
def test_no_panel_covers_another(dashboard: Dashboard) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard.json()["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            assert x < 24
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} covers {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_every_metric_in_a_query_exists_and_every_metric_is_in_a_query() -> None:
    queries = [expr for _, expr in dashboard_queries()] + [alert.expr for alert in ALERTS]
    used = {name for query in queries for name in metrics_in(query)}
    assert used - ALL.keys() == set(), "no process exports these"
    assert ALL.keys() - used == set(), "nobody looks at these"


def test_names_are_found_in_queries() -> None:
    query = 'sum by (grpc_code) (rate(grpc_server_handling_seconds_bucket{grpc_service="x"}[5m])) > 2 * up'
    assert list(metrics_in(query)) == ["grpc_server_handling_seconds", "up"]
    assert list(metrics_in("rate(rlhf_nothing_total[1m])")) == ["rlhf_nothing_total"]


def test_every_figure_has_a_curve_and_every_curve_a_panel() -> None:
    assert {key for curve in CURVES for key in curve.keys} == {figure.key for figure in FIGURES}
    titles = [panel["title"] for panel in panels(RUN_DASHBOARD)]
    assert [title for title in titles if title in {curve.title for curve in CURVES}] == [c.title for c in CURVES]


@each_dashboard
def test_its_variables_are_used_and_what_it_uses_is_a_variable(dashboard: Dashboard) -> None:
    queries = [query.expr for row in dashboard.rows for panel in row.panels for query in panel.queries]
    texts = [*queries, *(event.expr for event in dashboard.events)]
    texts += [variable.values for variable in dashboard.variables if isinstance(variable.values, str)]
    used = {name for text in texts for name in re.findall(r"\$\{?([a-z]+)", text)}
    assert used == {variable.name for variable in dashboard.variables}
    assert [query for query in queries if "$namespace" not in query] == []


def test_a_scatter_joins_its_queries_by_what_both_have() -> None:
    (panel,) = (panel for panel in panels(REWARD_HEALTH) if panel["type"] == "xychart")
    _, parts = panel["transformations"]
    assert parts["options"]["fields"] == ["run", "stage"]
    for target in panel["targets"]:
        assert target["format"] == "table"
        assert target["expr"].startswith("max by (run, stage) (")
    tables = {f"Value #{target['refId']}": target["expr"] for target in panel["targets"]}
    (series,) = panel["options"]["series"]
    assert "rlhf_run_kl_nats" in tables[series["x"]["matcher"]["options"]]
    assert "rlhf_run_reward" in tables[series["y"]["matcher"]["options"]]
    assert [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]] == list(tables)


def test_there_are_the_variables_that_people_choose_by() -> None:
    names = {v["name"] for d in DASHBOARDS for v in d.json()["templating"]["list"]}
    assert names == {"datasource", "namespace", "service", "model", "run"}


def test_the_run_shows_what_happened_to_it() -> None:
    events = RUN_DASHBOARD.json()["annotations"]["list"]
    assert [event["name"] for event in events] == ["publish", "checkpoint", "restart"]
