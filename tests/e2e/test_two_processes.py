"""Runs whose worker is two processes under torchrun, as the pods of an Indexed Job are, through the real services."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import rlhf
import torch
from rlhf.placement import Placement
from transformers import AutoModelForCausalLM

from services.language_model.loading import load_tokenizer, new_reward, save
from services.simulator.base_model import WEIGHTS
from tests.conftest import wait_until
from tests.e2e.small_road import first_rows
from tests.e2e.workplace import SAMPLES, Workplace, workplace

pytestmark = pytest.mark.timeout(900)

TWO = Placement(processes_per_node=2)


@pytest.fixture(scope="module")
def run(client: rlhf.Client, tmp_path_factory: pytest.TempPathFactory) -> rlhf.RunHandle:
    """SFT, then PPO from its result."""
    folder = tmp_path_factory.mktemp("twice")
    save(new_reward(WEIGHTS, seed=0), load_tokenizer(WEIGHTS), folder / "judge")
    base, judge = (client.models.upload(path, name=f"twice-{path.name}") for path in (WEIGHTS, folder / "judge"))
    data = {
        kind: client.datasets.upload(first_rows(kind, folder), name=f"twice-{kind}")
        for kind in ("demonstrations", "prompts")
    }
    spec = rlhf.Pipeline(
        sft=rlhf.Sft(base_model=base, dataset=data["demonstrations"], epochs=1, batch_size=20),
        ppo=rlhf.Ppo(
            policy_model="stage:sft", reward_model=judge, prompts=data["prompts"], steps=2,
            prompts_per_step=SAMPLES // 2, samples_per_prompt=2, max_new_tokens=12,
        ),
    )  # fmt: skip
    run = client.runs.create(spec, name="twice", seed=5, placement=TWO)
    run.wait(timeout=600)
    return run


def test_both_ranks_speak(run: rlhf.RunHandle) -> None:
    assert (run.state, run.attempt) == ("succeeded", 1)
    printed = "".join(run.logs())
    for rank in (0, 1):
        assert f"rank {rank} services.trainer.worker.pipeline stage ppo is finished" in printed


def test_the_generator_serves_what_the_shards_are(run: rlhf.RunHandle) -> None:
    """Each step's rollouts are of weights gathered from both ranks: the ranks' own log-probs of them are the same."""
    steps = [event.metrics for event in run.watch(timeout=60) if event.stage == "ppo" and event.metrics]
    assert len(steps) == 2
    assert steps[0]["kl"] == pytest.approx(0, abs=1e-3)
    assert all(step["mismatch_max"] < 1e-3 for step in steps)
    assert steps[1]["kl"] != 0


def test_the_result_is_a_plain_model(run: rlhf.RunHandle, client: rlhf.Client, tmp_path: Path) -> None:
    result = run.results["ppo"].model
    assert result
    trained = AutoModelForCausalLM.from_pretrained(client.models.download(str(result), tmp_path / "home"))
    base = AutoModelForCausalLM.from_pretrained(WEIGHTS)
    assert {type(trained).__name__, *trained.config.architectures} == {type(base).__name__}
    moved = [(a - b).abs().max() for a, b in zip(trained.parameters(), base.parameters(), strict=True)]
    assert all(torch.isfinite(distance) for distance in moved)
    assert max(moved) > 1e-4


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with workplace(tmp_path_factory.mktemp("own")) as work:
        yield work


def ranks(work: Workplace, run: rlhf.Run) -> list[psutil.Process]:
    return work.worker(run).children(recursive=True)


@pytest.mark.full
def test_a_torchrun_that_is_killed_leaves_ranks_that_give_way(work: Workplace) -> None:
    run = work.client.runs.create(work.ppo(6), name="orphans", placement=TWO)
    orphans: list[psutil.Process] = []
    for event in run.watch(timeout=600):
        if event.metrics and event.step == 3 and not orphans:
            orphans = ranks(work, run)
            work.worker(run).kill()
    run.refresh()
    assert (len(orphans), run.state, run.attempt) == (2, "succeeded", 2)
    wait_until(lambda: not any(process.is_running() for process in orphans), seconds=60)


@pytest.mark.full
def test_a_cancelled_run_leaves_no_process(work: Workplace) -> None:
    run = work.client.runs.create(work.ppo(50), name="cancelled", placement=TWO)
    for event in run.watch(timeout=600):
        if event.metrics:
            break
    alive = [work.worker(run), *ranks(work, run)]
    run.cancel()
    wait_until(lambda: not any(process.is_running() for process in alive), seconds=60)
    assert len(alive) == 3
