"""The Overview's lamps, evaluated by promtool over made-up series."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from services.monitoring.dashboards.lamps import IDLE, MEANINGS, NOT_A_NUMBER
from services.monitoring.dashboards.overview import OVERVIEW
from services.monitoring.dashboards.panels import Panel
from tests.queries import fill
from tests.tools import tool

PROMTOOL_AT = "10m"
LAMPS = [(row.title, panel) for row in OVERVIEW.rows for panel in row.panels if panel.text != "name"]
OF_RUN = 'namespace="local", run="run-1"'
TRAINING = "Training: trainer and workers"


def named(row: str, title: str) -> Panel:
    return next(panel for where, panel in LAMPS if (where, panel.title) == (row, title))


def check(folder: Path, series: Mapping[str, str], expected: Sequence[tuple[Panel, float]]) -> None:
    """Series by what promtool calls their values; each panel with the one value that it shows after ten minutes."""
    cases = [
        {
            "expr": fill(panel.queries[0].expr, "", "1m"),
            "eval_time": PROMTOOL_AT,
            "exp_samples": [{"labels": "{}", "value": value}],
        }
        for panel, value in expected
    ]
    given = [{"series": name, "values": values} for name, values in series.items()]
    file = folder / "lamps.json"  # JSON is YAML
    tests = [{"interval": "1m", "input_series": given, "promql_expr_test": cases}]
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(
        [tool("promtool", "prometheus"), "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_with_nothing_there_lamps_are_grey_and_counts_are_0(tmp_path: Path) -> None:
    check(tmp_path, {}, [(panel, IDLE if panel.meanings else 0) for _, panel in LAMPS])


def test_an_idle_system_is_grey_where_it_has_nothing_to_say_and_green_elsewhere(tmp_path: Path) -> None:
    idle = {
        'rlhf_build_info{service="trainer", namespace="local"}': "1x10",
        'rlhf_runs{state="running", namespace="local"}': "0x10",
        'rlhf_runs_queue_age_seconds{namespace="local"}': "0x10",
        'grpc_server_handled_total{grpc_service="rlhf.v1.PolicyService", grpc_code="OK", namespace="local"}': "9x10",
        f'rlhf_run_info{{{OF_RUN}, state="succeeded"}}': "1x10",
        f'rlhf_run_kl_nats{{{OF_RUN}, stage="ppo"}}': "60x10",
    }
    grey = ["Running", "Silence of a worker", "Since the last step", "KL to the reference"]
    check(
        tmp_path,
        idle,
        [
            (named(TRAINING, "Replicas"), 1),
            (named(TRAINING, "Failed lately"), 0),
            (named(TRAINING, "Oldest queued run"), 0),
        ]
        + [(named(TRAINING, title), IDLE) for title in grey]
        + [(named("Rollouts: policy", "Failing calls"), IDLE)],
    )


def test_a_run_under_way_lights_its_lamps(tmp_path: Path) -> None:
    labels = f'{{{OF_RUN}, stage="ppo"}}'
    running = {
        f'rlhf_run_info{{{OF_RUN}, state="running"}}': "1x10",
        f"rlhf_run_kl_nats{labels}": "-0.5+1x10",
        f"rlhf_run_step{labels}": "3x10",
        f"rlhf_run_steps{labels}": "40x10",
        f"rlhf_run_last_step_timestamp_seconds{labels}": "300x10",
        f"rlhf_run_step_seconds_median{labels}": "30x10",
        f"rlhf_run_heartbeat_timestamp_seconds{{{OF_RUN}}}": "580x10",
    }
    check(
        tmp_path,
        running,
        [
            (named(TRAINING, "KL to the reference"), 9.5),
            (named(TRAINING, "Since the last step"), 10),
            (named(TRAINING, "Silence of a worker"), 20),
        ],
    )


@pytest.mark.parametrize(("values", "shown"), [("-2x10", 0.0), ("NaN NaN NaN NaN NaN NaN NaN NaN NaN NaN NaN", 1e9)])
def test_kl_that_is_not_a_number_is_not_taken_for_nothing(tmp_path: Path, values: str, shown: float) -> None:
    running = {
        f'rlhf_run_info{{{OF_RUN}, state="running"}}': "1x10",
        f'rlhf_run_kl_nats{{{OF_RUN}, stage="p"}}': values,
    }
    check(tmp_path, running, [(named(TRAINING, "KL to the reference"), shown)])


def test_what_a_lamp_means_is_said_in_words_and_colours() -> None:
    assert {(value, colour) for value, _, colour in MEANINGS} == {(IDLE, "#808080"), (NOT_A_NUMBER, "red")}
    panel = named(TRAINING, "Running").json(1, {})
    mapped = [mapping["options"] for mapping in panel["fieldConfig"]["defaults"]["mappings"]]
    assert mapped == [
        {"-1": {"text": "idle", "color": "#808080"}},
        {"1000000000": {"text": "not a number", "color": "red"}},
    ]


def test_alerts_come_first_and_each_stage_has_a_row() -> None:
    titles = [row.title for row in OVERVIEW.rows]
    assert titles[0] == "Alerts"
    parts = [title.partition(": ")[2] or title for title in titles[1:]]
    assert parts == [
        "policy",
        "reward",
        "reference",
        "feedback",
        "gateway",
        "trainer and workers",
        "Storage and capacity",
    ]
