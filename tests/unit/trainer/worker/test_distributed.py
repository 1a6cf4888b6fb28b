"""What the ranks of one attempt tell each other, on two machines that share no disk."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port
from tests.unit.trainer.worker.meeting import LENGTHS

pytestmark = pytest.mark.timeout(600)

ENVIRONMENT = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    port = str(free_port())
    processes = []
    for rank in range(2):
        environment = {**os.environ, **ENVIRONMENT, "MASTER_PORT": port, "RANK": str(rank)}
        command = [sys.executable, "-m", "tests.unit.trainer.worker.meeting", str(tmp_path_factory.mktemp("disk"))]
        processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=Path.cwd()))
    found = [json.loads(process.communicate(timeout=500)[0]) for process in processes]
    assert [rank["rank"] for rank in found] == [0, 1]
    return found


def test_all_have_what_rank_0_has(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["point"] == ranks[1]["point"] == "Point(x=0.1, name='é')"


def test_a_node_that_does_not_see_the_files_is_sent_them(ranks: list[dict[str, Any]]) -> None:
    whole = "{'empty': 0, 'inner/config.json': 2, 'weights': 2560} then 0"
    assert [rank["fetched"] for rank in ranks] == [whole, whole]
    assert [(rank["left"], rank["work_dir"]) for rank in ranks] == [([], []), ([], [])]


def test_micro_batches_are_dealt_out_and_filled_up(ranks: list[dict[str, Any]]) -> None:
    """Every rank does as many forwards as the others; what counts is everything once."""
    for count, *dealt in zip((7, 3, 1), ranks[0]["dealt"], ranks[1]["dealt"], strict=True):
        assert len(dealt[0]) == len(dealt[1]) > 0
        assert all(micro for rank in dealt for micro, _ in rank)
        counted = [index for rank in dealt for micro, weight in rank for index in micro if weight]
        assert sorted(counted) == list(range(count))
        assert {weight for rank in dealt for _, weight in rank} <= {0, 1}
    assert [weight for _, weight in ranks[1]["dealt"][2]] == [0]
    assert len(LENGTHS) == 7


def test_sums_are_over_all(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["sums"] == {"a": 0.2, "b": 1.0}
        assert rank["merged"] == [2.0, 1.0]


def test_what_ends_rank_0_ends_all(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["stopped"] == ranks[1]["stopped"] == "Stopped: the run was cancelled"
    assert ranks[0]["failed"] == "ValueError: no such model"
    assert ranks[1]["failed"] == "RankLost: rank 0 failed: no such model"


def test_the_words_of_a_rank_that_failed_reach_rank_0(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["cause"] == "OtherRankFailed('rank 1: out of ideas')"
    assert ranks[0]["own"] == "ValueError('mine')", "an error of all ranks is rank 0's own"
    assert ranks[1]["cause"].startswith("RankLost('another process of this attempt ended without a word")
