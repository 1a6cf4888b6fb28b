import json

from tests.benchmarks.measurement import Result, Target
from tests.benchmarks.report import as_json, describe_machine, met, table

RESULTS = [
    Result("engine", "generate", 1000, "tokens", [1.0, 1.0], [2.0, 3.0], Target(at_least=1.5), "64 requests"),
    Result("step", "directly", 1, "steps", [3.0], [2.0], Target(at_most=1.25)),
    Result("learner", "TRL", 1000, "tokens", [1.0], [1.0], Target()),
]


def test_table_shows_ratio_range_target_and_verdict() -> None:
    engine, step, learner = table(RESULTS, {"cores": 2}).splitlines()[2:5]
    assert "1,000 tokens/s | 400 tokens/s | 2.50× (2.00–3.00) | ≥ 1.5 | yes" in engine
    assert "3.00 s | 2.00 s | 1.50× (1.50–1.50) | ≤ 1.25 | **no**" in step
    assert learner.endswith("none, for comparison |  |")


def test_repeats_that_are_far_apart_are_no_verdict() -> None:
    noisy = Result("step", "directly", 1, "steps", [3.0, 1.0, 0.5], [1.0, 1.0, 2.0], Target(at_most=1.25))
    assert "| 1.00× (0.25–3.00) | ≤ 1.25 | not steady" in table([noisy], {})
    assert met(noisy) is None
    assert met(RESULTS[0]) is True


def test_json_keeps_every_measurement_and_the_machine() -> None:
    machine = describe_machine(threads=2, repeats=5)
    values = json.loads(json.dumps(as_json(RESULTS, machine)))
    assert values["machine"]["threads"] == 2
    assert [row["met"] for row in values["results"]] == [True, False, None]
    assert values["results"][0]["peer_seconds"] == [2.0, 3.0]
