import threading
import time

import pytest
import torch

from services.trainer.worker.ppo.side_by_side import SideBySide, both, one_after_the_other
from services.trainer.worker.ranks import Ranks


class SeveralRanks(Ranks):
    size = 2


def test_both_run_at_the_same_time_with_half_of_the_threads_each() -> None:
    met = threading.Barrier(2, timeout=10)

    def work() -> int:
        met.wait()  # for the other
        return torch.get_num_threads()

    assert SideBySide(4)(work, work) == (2, 2)
    assert SideBySide(3)(work, work) == (1, 1)


def test_gradients_are_kept_where_the_caller_keeps_them() -> None:
    side_by_side = SideBySide(2)
    assert side_by_side(torch.is_grad_enabled, torch.is_grad_enabled) == (True, True)
    with torch.no_grad():
        assert side_by_side(torch.is_grad_enabled, torch.is_grad_enabled) == (False, False)


def test_an_error_reaches_the_caller_when_both_have_ended() -> None:
    def fail() -> None:
        raise ValueError("no finite loss")

    ended = list[bool]()

    def last() -> None:
        time.sleep(0.1)
        ended.append(True)

    for work in ((fail, last), (last, fail)):
        with pytest.raises(ValueError, match="no finite loss"):
            SideBySide(2)(*work)
        assert ended.pop(), "it still ran when the caller went on"


@pytest.mark.parametrize(
    ("ranks", "threads"),
    [(Ranks(), 1), (SeveralRanks(), 2), (Ranks(torch.device("cuda")), 2)],
)
def test_one_comes_after_the_other_where_there_is_nothing_to_gain(ranks: Ranks, threads: int) -> None:
    assert both(ranks, threads) is one_after_the_other


def test_cores_are_used() -> None:
    assert isinstance(both(Ranks(), 2), SideBySide)
