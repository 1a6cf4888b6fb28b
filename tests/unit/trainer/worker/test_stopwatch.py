import time

import pytest

from services.trainer.worker.stopwatch import Stopwatch


def test_a_reading_splits_the_time_since_the_last_one() -> None:
    watch = Stopwatch()
    with watch.part("rollout"):
        time.sleep(0.02)
    with watch.part("update"):
        time.sleep(0.01)
    with watch.part("rollout"):
        time.sleep(0.02)
    reading = watch.read()
    assert reading["seconds_rollout"] >= 0.04 > reading["seconds_update"] >= 0.01
    assert reading["seconds"] >= reading["seconds_rollout"] + reading["seconds_update"]
    assert watch.read().keys() == {"seconds"}


def test_a_part_that_fails_is_timed_too() -> None:
    watch = Stopwatch()
    with pytest.raises(ValueError), watch.part("score"):
        raise ValueError
    assert "seconds_score" in watch.read()
