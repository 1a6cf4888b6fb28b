"""Series of models: bounded, and gone when nobody asks for the model any more."""

from dataclasses import dataclass
from functools import partial

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.serving.metrics import IDLE_SECONDS, MAX_MODELS, OTHER, Definitions, ModelSeries, ServingMetrics
from services.storage.models import Version

DEFINITIONS = Definitions("test", "items")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Measured:
    clock: Clock
    registry: CollectorRegistry
    metrics: ServingMetrics

    def value(self, name: str, model: str) -> float | None:
        return self.registry.get_sample_value(f"rlhf_test_{name}", {"model_name": model})


@pytest.fixture
def measured() -> Measured:
    clock, registry = Clock(), CollectorRegistry()
    return Measured(clock, registry, ServingMetrics(DEFINITIONS, partial(ModelSeries, DEFINITIONS), registry, clock))


def answer(measured: Measured, model: str) -> None:
    measured.metrics.of(model).answered(Version(model, "1.7-aa", "d", 0.0, {"step": 7}), 3, started=0.0)


def test_200_finished_runs_leave_no_growing_number_of_series(measured: Measured) -> None:
    sizes = []
    for run in range(200):
        answer(measured, f"run-{run}-ppo")
        answer(measured, "promoted")
        measured.clock.now += 300  # a run every five minutes
        sizes.append(len(generate_latest(measured.registry)))
    assert measured.value("items_total", "run-199-ppo") == 3
    assert measured.value("items_total", "run-100-ppo") is None
    assert measured.value("items_total", "promoted") == 600  # what is used goes on counting
    assert sizes[-1] < 1.1 * sizes[5]


def test_what_is_being_computed_stays_however_long_it_takes(measured: Measured) -> None:
    with measured.metrics.of("slow").request() as begin:
        begin()
        measured.clock.now += 10 * IDLE_SECONDS
        assert measured.value("num_requests_running", "slow") == 1
    assert measured.value("num_requests_running", "slow") is None


def test_models_beyond_the_bound_share_a_label(measured: Measured) -> None:
    for number in range(MAX_MODELS + 5):
        answer(measured, f"model-{number}")
    assert measured.value("items_total", OTHER) == 15
    assert measured.value("items_total", f"model-{MAX_MODELS}") is None


def test_the_queue_is_as_old_as_the_request_that_waits_longest(measured: Measured) -> None:
    series = measured.metrics.of("m")
    with series.request() as begin_first:
        measured.clock.now += 4
        with series.request():
            measured.clock.now += 1
            assert measured.value("queue_age_seconds", "m") == 5
            assert measured.value("num_requests_waiting", "m") == 2
            begin_first()
            assert measured.value("queue_age_seconds", "m") == 1
            assert measured.value("num_requests_running", "m") == 1
    assert measured.value("num_requests_waiting", "m") == measured.value("num_requests_running", "m") == 0


def test_a_request_that_never_began_is_counted_out(measured: Measured) -> None:
    with pytest.raises(ZeroDivisionError), measured.metrics.of("m").request():
        raise ZeroDivisionError
    assert measured.value("num_requests_waiting", "m") == measured.value("num_requests_running", "m") == 0


def test_the_step_of_the_version_that_answered_is_shown(measured: Measured) -> None:
    answer(measured, "m")
    assert measured.value("weights_step", "m") == 7
