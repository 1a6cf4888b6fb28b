from pathlib import Path

import pytest

from services.storage.location import open_store
from services.storage.object_store import ObjectStore
from services.trainer import attempts
from services.trainer.attempts import Attempt, Base, StageOutcome, Status, Step

STAGES = ["sft", "reward", "ppo"]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


def attempt(store: ObjectStore, number: int, base: Base, done: list[str] = [], **checkpoints: list[int]) -> Attempt:  # noqa: B006
    """An attempt that finished the stages `done` and has complete checkpoints at these steps."""
    made = Attempt(store, "run-1", number)
    made.write_base(base)
    for name in done:
        made.write_outcome(StageOutcome(name, name, f"{number}.1-00000000"))
    for stage, steps in checkpoints.items():
        for step in steps:
            store.put(made.checkpoint_prefix(stage, step) + "manifest.json", b"{}")
    return made


def next_base(store: ObjectStore, number: int) -> Base:
    return attempts.next_base(store, "run-1", number, STAGES)


def outcomes(store: ObjectStore, number: int) -> dict[str, str]:
    return {name: o.version for name, o in attempts.outcomes(store, "run-1", number, STAGES).items()}


def test_an_attempt_that_came_to_nothing_is_begun_again(store: ObjectStore) -> None:
    attempt(store, 1, Base())
    assert next_base(store, 1) == Base()


def test_the_next_attempt_goes_on_from_the_newest_complete_checkpoint(store: ObjectStore) -> None:
    made = attempt(store, 1, Base(), done=["sft"], reward=[10, 20])
    store.put(made.checkpoint_prefix("reward", 30) + "policy.safetensors", b"half a checkpoint")
    assert next_base(store, 1) == Base(1, "reward", 20)


def test_after_a_finished_stage_the_next_one_begins(store: ObjectStore) -> None:
    attempt(store, 1, Base(), done=["sft", "reward"], sft=[50])
    assert next_base(store, 1) == Base(1, "ppo", 0)


def test_an_attempt_without_a_checkpoint_of_its_own_hands_its_base_on(store: ObjectStore) -> None:
    attempt(store, 1, Base(), done=["sft"], reward=[10])
    attempt(store, 2, Base(1, "reward", 10))
    assert next_base(store, 2) == Base(1, "reward", 10)


def test_results_come_from_the_whole_line_of_attempts(store: ObjectStore) -> None:
    attempt(store, 1, Base(), done=["sft"], reward=[10])
    attempt(store, 2, Base(1, "reward", 10), done=["reward"])
    attempt(store, 3, Base(2, "ppo", 0), done=["ppo"])
    assert outcomes(store, 3) == {"sft": "1.1-00000000", "reward": "2.1-00000000", "ppo": "3.1-00000000"}


def test_what_a_superseded_attempt_did_later_does_not_count(store: ObjectStore) -> None:
    """It was stopped, overtaken by attempt 2, and then went on to finish the stage."""
    attempt(store, 1, Base(), done=["sft", "reward"], reward=[10])
    attempt(store, 2, Base(1, "reward", 10))
    assert outcomes(store, 2) == {"sft": "1.1-00000000"}
    inherited = attempts.finished_before(store, "run-1", Base(1, "reward", 10), STAGES)
    assert list(inherited) == ["sft"]


def test_steps_come_in_order_and_once(store: ObjectStore) -> None:
    made = attempt(store, 1, Base())
    for numbers in ([9, 10, 11], [1, 2, 3], [4, 5, 6, 7, 8], [11, 12]):
        made.write_steps([Step("sft", n, 12, {"loss": 1 / n}) for n in numbers])
    assert [step.step for step in made.steps("sft")] == list(range(1, 13))
    assert [step.step for step in made.steps("sft", after=10)] == [11, 12]
    assert list(made.steps("reward")) == []


def test_a_status_is_read_as_it_was_written(store: ObjectStore) -> None:
    made = attempt(store, 1, Base())
    assert made.status() is None
    status = Status(attempts.FAILED, "sft", 3, 10, "no memory left", 123.5)
    made.write_status(status)
    assert made.status() == status


@pytest.mark.parametrize(
    ("last", "step", "expected"),
    [
        (None, Step("sft", 1, 5, {}), True),
        (None, Step("sft", 2, 5, {}), False),
        (Step("sft", 1, 5, {}), Step("sft", 2, 5, {}), True),
        (Step("sft", 1, 5, {}), Step("sft", 3, 5, {}), False),
        (Step("sft", 5, 5, {}), Step("ppo", 0, 9, {}), True),
        (Step("sft", 4, 5, {}), Step("ppo", 1, 9, {}), False),
    ],
)
def test_a_step_follows_another_when_nothing_can_lie_between(last: Step | None, step: Step, expected: bool) -> None:
    assert attempts.follows(last, step) is expected
