"""Runs as Prometheus series, made afresh at every scrape: what has ended long ago leaves none behind."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import Metric as MetricFamily
from prometheus_client.registry import Collector

from services.runtime.definitions import Metric
from services.trainer import metrics
from services.trainer.figures import FIGURES
from services.trainer.metrics import DROP_REASONS
from services.trainer.records import RunState
from services.trainer.runs import Run, Runs
from services.trainer.stage_figures import StageFigures

# After a run's end, or a stage's where another one followed; long enough for every scrape and for people to look.
KEPT_SECONDS = 900.0
MAX_RUNS = 100  # the newest; thousands that fail within a quarter of an hour must not fill Prometheus

Row = tuple[Metric, tuple[str, ...], float]


class RunSeries(Collector):
    def __init__(self, runs: Runs, clock: Callable[[], float] = time.time) -> None:
        self._runs, self._clock = runs, clock

    def describe(self) -> list[MetricFamily]:
        return []  # the registry need not scrape us to learn the names

    def collect(self) -> Iterator[MetricFamily]:
        families = {}
        for metric, labels, value in self._rows():
            family = families.setdefault(metric.name, metric.family())
            family.add_metric(labels, value)
        yield from families.values()

    def _rows(self) -> Iterator[Row]:
        runs, now = self._runs.newest_first(), self._clock()
        yield from _totals(runs, now)
        shown = [run for run in runs if not run.record.state.ended or now - run.record.last.at < KEPT_SECONDS]
        for run in shown[:MAX_RUNS]:
            yield from _of_run(run, now)


def _totals(runs: list[Run], now: float) -> Iterator[Row]:
    counts = Counter(run.record.state for run in runs)
    for state in RunState:
        yield metrics.RUNS, (state.value,), counts[state]
    queued = [run.record.last.at for run in runs if run.record.state is RunState.QUEUED]
    yield metrics.QUEUE_AGE, (), max((now - at for at in queued), default=0.0)


def _of_run(run: Run, now: float) -> Iterator[Row]:
    record = run.record
    yield metrics.RUN_INFO, (record.id, run.spec.name, record.state.value), 1
    yield metrics.ATTEMPT, (record.id,), record.attempt
    if record.state is RunState.RUNNING:
        yield metrics.HEARTBEAT, (record.id,), now - (time.monotonic() - run.seen)
    stages = tuple(run.figures.items())
    for name, figures in stages:
        if name == stages[-1][0] or now - figures.at < KEPT_SECONDS:
            yield from _of_stage((record.id, name), figures)


def _of_stage(labels: tuple[str, str], figures: StageFigures) -> Iterator[Row]:
    step = figures.last
    assert step is not None, "a stage has figures from its first step on"
    yield metrics.STEP, labels, step.step
    yield metrics.STEPS, labels, step.total_steps
    yield metrics.LAST_STEP, labels, figures.at
    if figures.median_seconds is not None:
        yield metrics.STEP_SECONDS, labels, step.metrics["seconds"]
        yield metrics.MEDIAN_SECONDS, labels, figures.median_seconds
    if figures.samples:
        yield metrics.SAMPLES, labels, figures.samples
        for reason in DROP_REASONS.values():
            yield metrics.DROPPED, (*labels, reason), figures.dropped[reason]
    for figure in FIGURES:
        if figure.key in step.metrics:
            yield figure.metric, (*labels, *figure.values), step.metrics[figure.key]
