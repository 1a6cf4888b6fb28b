"""A real Prometheus scrapes the services while a real run walks all stages; then every query has to find something."""

import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import rlhf

from services.local import Prometheus
from services.monitoring.alerts import ALERTS
from services.monitoring.catalogue import ALL, FOREIGN, metrics_in
from services.monitoring.dashboards.lamps import IDLE
from services.trainer.figures import FIGURES, NOT_EXPORTED
from tests.conftest import free_port
from tests.e2e.workplace import Workplace, workplace
from tests.queries import dashboard_queries
from tests.tools import tool

pytestmark = pytest.mark.timeout(600)

WINDOW = "10s"  # what Grafana's $__rate_interval would be at a scrape per second, and more
PPO_STEPS = 14

# Queries that rightly find nothing here, and why.
EMPTY = {
    "rlhf-overview / Certificate": "the services of this test have no TLS",
    "rlhf-overview / Which": "no alert is firing",
    "rlhf-run / event restart": "nothing was restarted",
}
NOT_SEEN = {
    "rlhf_certificate_not_after_timestamp_seconds": "the services of this test have no TLS",
    "ALERTS": "no alert is pending or firing",
}


@dataclass(frozen=True)
class Observed:
    """What Prometheus has from `start` to `end`, seconds since the epoch."""

    url: str
    run: rlhf.Run
    start: float
    end: float
    reported: set[str]  # keys of the metrics of all steps

    def ask(self, path: str, **parameters: Any) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def values(self, query: str) -> list[float]:
        """Every value of every series that is a number. Raises HTTPError for a query that is wrong."""
        found = self.ask("query_range", query=query, start=self.start, end=self.end, step=1)["result"]
        values = [float(value) for series in found for _, value in series["values"]]
        return [value for value in values if not math.isnan(value)]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    tool("prometheus", "prometheus")
    folder = tmp_path_factory.mktemp("observed")
    with (
        workplace(folder, gateway=True) as work,
        Prometheus(work.services.metrics_addresses, folder / "prometheus", free_port(), scrape_seconds=1) as prometheus,
    ):
        start = time.time()
        run, reported = walk(work)
        call_around(work)
        time.sleep(3)  # for the last scrapes
        yield Observed(prometheus.url, run, start, time.time(), reported)


def walk(work: Workplace) -> tuple[rlhf.Run, set[str]]:
    spec = rlhf.Pipeline(
        sft=rlhf.Sft(base_model="base", dataset="demonstrations", epochs=1, batch_size=16),
        judge=rlhf.RewardModel(base_model="stage:sft", dataset="comparisons", batch_size=16),
        dpo=rlhf.Dpo(policy_model="stage:sft", dataset="comparisons", batch_size=16),
        ppo=work.ppo(PPO_STEPS, policy_model="stage:sft", reward_model="stage:judge"),
        exam=rlhf.Evaluate(
            policy_model="stage:ppo", reference_model="stage:sft", reward_model="stage:judge", prompts="prompts",
            max_new_tokens=12,
        ),
    )  # fmt: skip
    run = work.client.runs.create(spec, name="observed", threads=1)
    reported = {key for event in run.watch(timeout=400) for key in event.metrics}
    return run.wait(timeout=60), reported


def call_around(work: Workplace) -> None:
    """What no training does: streams, HTTP, judgements, exports, and a call that ends too late."""
    client = work.client
    client.feedback.create("tone", overlap_share=0.0)
    client.feedback.add_items("tone", [rlhf.Item(f"question {n}", ("good", "bad")) for n in range(3)])
    gateway = work.services.gateway_url
    for _ in range(2):  # a rate begins with the second scrape
        urllib.request.urlopen(f"{gateway}/v1/models", timeout=60).close()
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{gateway}/get_reward", b"no JSON", timeout=60)
        assert list(client.policy.stream("How do I boil an egg?", model="base", max_new_tokens=8))
        assignment = client.feedback.next("tone", rater="anna").assignment
        assert assignment
        client.feedback.prefer(assignment, "first")
        client.feedback.export("tone")
        time.sleep(2.5)
    with suppress(rlhf.RlhfError):
        client.policy.generate(["Tell me a story."] * 64, model="base", max_new_tokens=400, timeout=0.3)


def test_no_query_is_wrong_and_each_finds_something_or_rightly_nothing(observed: Observed) -> None:
    found: dict[str, bool] = {}
    for place, query in dashboard_queries(WINDOW):
        values = [value for value in observed.values(query) if value != IDLE]
        found[place] = found.get(place, False) or bool(values)
    assert sorted(place for place, any_value in found.items() if not any_value) == sorted(EMPTY)


def test_alerts_are_evaluated_and_see_what_they_watch(observed: Observed) -> None:
    """That they do not fire is as it should be; that there is nothing for them to look at would not be."""
    (group,) = observed.ask("rules")["groups"]
    assert {rule["name"]: (rule["health"], rule.get("lastError")) for rule in group["rules"]} == {
        alert.name: ("ok", None) for alert in ALERTS
    }
    selectors = {selector for alert in ALERTS for selector in re.findall(r"\b\w+(?:\{[^}]*\})?", alert.expr)}
    watched = {selector for selector in selectors if set(metrics_in(selector)) & ALL.keys()}
    nothing = {selector for selector in watched if not observed.values(selector)}
    assert nothing == {
        'rlhf_run_info{state="failed"}',  # no run has failed
        'rlhf_gateway_requests_total{status=~"5.."}',  # every HTTP request was answered
        "rlhf_certificate_not_after_timestamp_seconds",  # no TLS
    }


def test_what_is_exported_is_what_the_table_says(observed: Observed) -> None:
    names = observed.ask("label/__name__/values", start=observed.start, end=observed.end)
    ours = {name for name in names if name.startswith(("rlhf_", "grpc_")) and not name.endswith("_created")}
    exported = {metric for name in ours for metric in metrics_in(name)}
    assert exported - ALL.keys() == set()
    known = ALL.keys() - {metric.name for group in FOREIGN.values() for metric in group}
    assert known - exported == NOT_SEEN.keys() & known


def test_every_key_that_a_stage_reports_is_exported_or_knowingly_not(observed: Observed) -> None:
    figures = {figure.key for figure in FIGURES}
    parts = {key for key in observed.reported if key.startswith("seconds_")}
    assert observed.reported - figures - NOT_EXPORTED - parts == set()


def test_a_worker_is_found_and_scraped_where_it_runs(observed: Observed) -> None:
    assert max(observed.values('up{job="workers"}')) == 1
    assert observed.values(f'rlhf_stage_seconds_count{{run="{observed.run.id}", stage="update"}}')


def test_the_last_step_is_what_the_run_ended_with(observed: Observed) -> None:
    reward = observed.values(f'rlhf_run_reward{{run="{observed.run.id}", stage="ppo"}}')
    assert reward[-1] == pytest.approx(observed.run.results["ppo"].metrics["reward"])
    steps = observed.values(f'rlhf_run_step{{run="{observed.run.id}", stage="ppo"}}')
    assert steps[-1] == PPO_STEPS


def test_a_wrong_query_would_be_noticed(observed: Observed) -> None:
    with pytest.raises(urllib.error.HTTPError):
        observed.values("sum by (rlhf_run_reward")
    assert observed.values("rlhf_no_such_metric") == []
