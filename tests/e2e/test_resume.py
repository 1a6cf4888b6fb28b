"""A deterministic pipeline whose worker is killed in the middle of every stage makes the models that an uninterrupted
one makes, bit for bit."""

from collections.abc import Iterator

import pytest
import rlhf

from tests.e2e.workplace import Workplace, workplace

pytestmark = [pytest.mark.timeout(1800), pytest.mark.full]

PATIENCE = 1200.0
OFTEN = {"batch_size": 8, "checkpoint_every": 2}
# After this step's report; the next checkpoint may or may not be there yet.
KILLS = {("sft", 5), ("reward_model", 4), ("ppo", 1), ("ppo", 4), ("dpo", 5), ("stale", 3)}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with workplace(tmp_path_factory.mktemp("resume"), trainer=("--max-attempts", "20")) as work:
        yield work


def road(work: Workplace) -> rlhf.Pipeline:
    """12 steps of SFT, 8 of the reward model, 6 of PPO, 8 of DPO, 5 of PPO whose generator lags behind."""
    models = {"policy_model": "stage:sft", "reward_model": "stage:reward_model"}
    return rlhf.Pipeline(
        sft=rlhf.Sft(base_model="base", dataset="demonstrations", epochs=1, **OFTEN),
        reward_model=rlhf.RewardModel(base_model="stage:sft", dataset="comparisons", **OFTEN),
        ppo=work.ppo(6, **models),
        dpo=rlhf.Dpo(policy_model="stage:sft", dataset="comparisons", **OFTEN),
        stale=work.ppo(5, max_staleness=2, **models),
    )


def start(work: Workplace, name: str) -> rlhf.RunHandle:
    return work.client.runs.create(road(work), name=name, seed=7, deterministic=True)


def digests(run: rlhf.Run) -> dict[str, str]:
    return {name: result.model.digest for name, result in run.results.items() if result.model}


@pytest.fixture(scope="module")
def uninterrupted(work: Workplace) -> dict[str, str]:
    run = start(work, "whole")
    run.wait(timeout=PATIENCE)
    assert run.attempt == 1
    return digests(run)


def test_two_uninterrupted_runs_are_bit_equal(work: Workplace, uninterrupted: dict[str, str]) -> None:
    run = start(work, "again")
    run.wait(timeout=PATIENCE)
    assert digests(run) == uninterrupted
    assert len(set(uninterrupted.values())) == 5


def test_a_run_killed_in_every_stage_equals_the_uninterrupted_one(
    work: Workplace, uninterrupted: dict[str, str]
) -> None:
    run, left = start(work, "killed"), set(KILLS)
    for event in run.watch(timeout=PATIENCE):
        if event.metrics and (event.stage, event.step) in left:
            left.remove((event.stage, event.step))
            work.worker(run).kill()
            outcome = work.attempt(run, event.run.attempt).outcome(event.stage)
            assert outcome is None, f"{event.stage} was over before the worker was killed"
    assert left == set()
    run.refresh()
    assert (run.state, run.attempt) == ("succeeded", 1 + len(KILLS))
    assert digests(run) == uninterrupted
    told = [(event.stage, event.step) for event in run.watch(timeout=60) if event.metrics]
    lengths = {"sft": 12, "reward_model": 8, "ppo": 6, "dpo": 8, "stale": 5}
    assert told == [(stage, step) for stage, total in lengths.items() for step in range(1, total + 1)]
