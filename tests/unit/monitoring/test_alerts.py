"""Alerts and their runbooks; promtool judges what fires when."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from services.monitoring.__main__ import files, prometheus_rule
from services.monitoring.alerts import ALERTS, rules
from tests.tools import tool

ROOT = Path(__file__).parents[3]
RULES = ROOT / "monitoring/rules"
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@pytest.mark.parametrize("arguments", [("check", "rules", "rlhf.yaml"), ("test", "rules", "rlhf_test.yaml")])
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [tool("promtool", "prometheus"), *arguments], cwd=RULES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_alert
def test_it_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert) -> None:
    cases = defaultdict(list)
    for test in yaml.safe_load((RULES / "rlhf_test.yaml").read_text())["tests"]:
        for case in test["alert_rule_test"]:
            cases[case["alertname"]].append(bool(case["exp_alerts"]))
    assert set(cases[alert.name]) == {True, False}


@each_alert
def test_it_has_a_runbook_that_says_what_it_means_what_to_look_at_and_what_to_do(alert) -> None:
    page = (ROOT / "docs/runbooks.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == [known.name for known in ALERTS]
    for part in ("**Means**", "**Look at**", "**Do**"):
        assert part in sections[alert.name]


def test_the_operator_gets_the_same_rules() -> None:
    assert prometheus_rule()["spec"] == rules()


def test_what_is_committed_is_what_would_be_written() -> None:
    """As `make lint` says it; here too, so that a change is noticed by whoever runs the tests alone."""
    assert [path for path, text in files() if path.read_text() != text] == []
