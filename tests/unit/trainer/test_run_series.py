"""What Prometheus reads of runs, over a real registry and real runs in a real store."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.storage import open_store
from services.storage.models import ModelStore
from services.storage.object_store import ObjectStore
from services.trainer.attempts import Step
from services.trainer.recipes import PpoSpec, RunSpec
from services.trainer.records import RunRecord, RunState, Transition
from services.trainer.run_series import KEPT_SECONDS, MAX_RUNS, RunSeries
from services.trainer.runs import Run, Runs
from services.trainer.targets import targets

PPO = RunSpec("helper", PpoSpec(policy_model="sft", reward_model="judge", prompts="p"))


@dataclass
class Exported:
    runs: Runs
    registry: CollectorRegistry
    loop: asyncio.Runner
    now: float = 1_000_000.0

    def value(self, name: str, /, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def run(self, run_id: str, state: RunState = RunState.RUNNING) -> Run:
        record = RunRecord(run_id, "digest", self.now, (Transition(1, RunState.QUEUED, "", self.now),))
        run = self.runs.add(record, PPO)
        if state is not RunState.QUEUED:
            self.enter(run, state)
        return run

    def enter(self, run: Run, state: RunState) -> None:
        self.loop.run(self.runs.enter(run, state))
        last = run.record.last
        ended = Transition(last.attempt, last.state, last.reason, self.now)
        run.record = run.record.replace(history=(*run.record.history[:-1], ended))

    def step(self, run: Run, number: int, **metrics: float) -> None:
        self.loop.run(self.runs.add_step(run, Step("ppo", number, 40, metrics)))


def runs_of(store: ObjectStore) -> Runs:
    return Runs(store, ModelStore(store, Path("nowhere")))


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exported]:
    monkeypatch.setattr("os.fsync", lambda file: None)  # hundreds of runs, and no power failure
    with asyncio.Runner() as loop:
        made = Exported(runs_of(open_store(str(tmp_path))), CollectorRegistry(), loop)
        made.registry.register(RunSeries(made.runs, lambda: made.now))
        yield made


def test_a_step_shows_as_gauges_with_the_run_and_the_stage(exported: Exported) -> None:
    run = exported.run("run-1")
    exported.step(run, 1, reward=0.5, reward_p90=1.5, reward_at_length_16=0.25, kl=2.0, seconds=4.0)
    labels = {"run": "run-1", "stage": "ppo"}
    assert exported.value("rlhf_run_reward", **labels) == 0.5
    assert exported.value("rlhf_run_reward_quantile", **labels, quantile="0.9") == 1.5
    assert exported.value("rlhf_run_reward_at_length", **labels, tokens="16-31") == 0.25
    assert exported.value("rlhf_run_kl_nats", **labels) == 2.0
    assert exported.value("rlhf_run_step", **labels) == 1
    assert exported.value("rlhf_run_steps", **labels) == 40
    assert exported.value("rlhf_run_info", run="run-1", name="helper", state="running") == 1
    assert exported.value("rlhf_run_entropy_nats", **labels) is None  # nobody reported it


def test_the_median_ignores_a_slow_step(exported: Exported) -> None:
    run = exported.run("run-1")
    for number, seconds in enumerate((2.0, 2.0, 60.0), 1):
        exported.step(run, number, seconds=seconds)
    assert exported.value("rlhf_run_step_seconds_median", run="run-1", stage="ppo") == 2.0
    assert exported.value("rlhf_run_step_seconds", run="run-1", stage="ppo") == 60.0


def test_dropped_samples_add_up_by_reason(exported: Exported) -> None:
    run = exported.run("run-1")
    for number in (1, 2):
        exported.step(run, number, samples=16, dropped_too_long=2, dropped_other=1)
    labels = {"run": "run-1", "stage": "ppo"}
    assert exported.value("rlhf_run_samples_total", **labels) == 32
    assert exported.value("rlhf_run_dropped_samples_total", **labels, reason="too_long") == 4
    assert exported.value("rlhf_run_dropped_samples_total", **labels, reason="other") == 2


def test_a_run_shows_until_a_quarter_of_an_hour_after_its_end(exported: Exported) -> None:
    run = exported.run("run-1")
    exported.step(run, 1, reward=0.5)
    exported.enter(run, RunState.FAILED)
    exported.now += KEPT_SECONDS - 1
    assert exported.value("rlhf_run_info", run="run-1", name="helper", state="failed") == 1
    assert exported.value("rlhf_run_reward", run="run-1", stage="ppo") == 0.5
    exported.now += 2
    assert exported.value("rlhf_run_info", run="run-1", name="helper", state="failed") is None
    assert exported.value("rlhf_run_reward", run="run-1", stage="ppo") is None
    assert exported.value("rlhf_runs", state="failed") == 1


def test_200_finished_runs_leave_no_growing_number_of_series(exported: Exported) -> None:
    sizes = []
    for number in range(200):
        run = exported.run(f"run-{number}")
        exported.step(run, 1, reward=0.5, kl=1.0, seconds=2.0, samples=8)
        exported.enter(run, RunState.SUCCEEDED)
        exported.now += 300  # a run every five minutes
        sizes.append(len(generate_latest(exported.registry).splitlines()))
    assert sizes[-1] == sizes[10]


def test_a_flood_of_runs_is_bounded(exported: Exported) -> None:
    for number in range(MAX_RUNS + 20):
        exported.run(f"run-{number}", RunState.FAILED)
        exported.now += 1
    text = generate_latest(exported.registry).decode()
    assert text.count("rlhf_run_info{") == MAX_RUNS
    assert f"run-{MAX_RUNS + 19}" in text


def test_the_queue_is_as_old_as_its_oldest_run(exported: Exported) -> None:
    assert exported.value("rlhf_runs_queue_age_seconds") == 0
    exported.run("run-1", RunState.QUEUED)
    exported.now += 30
    exported.run("run-2", RunState.QUEUED)
    assert exported.value("rlhf_runs_queue_age_seconds") == 30
    assert exported.value("rlhf_runs", state="queued") == 2


def test_what_was_done_before_a_restart_shows_again(exported: Exported) -> None:
    run = exported.run("run-1")
    attempt = run.attempt(exported.runs.store)
    attempt.write_steps([Step("ppo", n, 40, {"samples": 8.0, "seconds": 1.0, "kl": n}) for n in (1, 2)])
    again = runs_of(exported.runs.store)
    again.load()
    registry = CollectorRegistry()
    registry.register(RunSeries(again))
    assert registry.get_sample_value("rlhf_run_kl_nats", {"run": "run-1", "stage": "ppo"}) == 2
    assert registry.get_sample_value("rlhf_run_samples_total", {"run": "run-1", "stage": "ppo"}) == 16


def test_targets_are_the_workers_under_way(exported: Exported) -> None:
    for name, state in (("run-1", RunState.RUNNING), ("run-2", RunState.SUCCEEDED), ("run-3", RunState.RUNNING)):
        exported.run(name, state)
    exported.runs.get("run-1").metrics_address = exported.runs.get("run-2").metrics_address = "127.0.0.1:9999"
    assert json.loads(targets(exported.runs)) == [{"targets": ["127.0.0.1:9999"]}]
