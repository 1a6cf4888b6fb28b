"""Two processes under torchrun take the steps that one process takes: from the same checkpoint of one process, on the
same rollouts, with batches that do not come out even."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from services.language_model.loading import new_reward
from services.trainer import attempts, specs
from services.trainer.attempts import Attempt, StageOutcome, Step
from services.trainer.recipes import DpoSpec, Optimization, PipelineSpec, PpoSpec, RewardModelSpec, RunSpec, SftSpec
from services.trainer.worker.ledger import Ledger
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.faults import Killed, kill_at
from tests.unit.trainer.worker.small_world import SmallWorld, comparisons, demonstrations, prompts
from tests.unit.trainer.worker.torchrun import torchrun

pytestmark = pytest.mark.timeout(600)

# 7 sequences in pieces of 3 leave one rank two and the other one; the last batch of an epoch is a single sequence.
UNEVEN = Optimization(learning_rate=1e-3, batch_size=7, micro_batch_size=3, checkpoint_every=1)
STAGES = ("ppo", "sft", "reward_model", "dpo")


def road(world: SmallWorld) -> RunSpec:
    base = world.publish("base", small_world.policy())
    torch.manual_seed(1)
    tied = str(world.publish("tied", LlamaForCausalLM(small_world.config(tie_word_embeddings=True))))
    judge = world.publish("judge", new_reward(world.models.fetch(base), seed=0))
    pairs = world.put("pairs", comparisons(31))
    ppo = PpoSpec(
        str(base), str(judge), world.put("prompts", prompts(40)), steps=2, prompts_per_step=7, max_new_tokens=6,
        optimization=UNEVEN,
    )  # fmt: skip
    stages = (
        ("ppo", ppo),
        ("sft", SftSpec(tied, world.put("demos", demonstrations(29)), UNEVEN)),
        ("reward_model", RewardModelSpec(str(base), pairs, optimization=UNEVEN)),
        ("dpo", DpoSpec(tied, pairs, optimization=UNEVEN)),
    )
    return RunSpec("mine", PipelineSpec(stages), seed=3, deterministic=True)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallWorld, SmallWorld]:
    """Where one and where two processes did attempt 2. Attempt 1 was killed in PPO's second step, after a checkpoint
    and with rollouts persisted."""
    begun = SmallWorld(tmp_path_factory.mktemp("begun"))
    specs.write_spec(begun.store, begun.run_id, road(begun))
    spec = specs.read_spec(begun.store, begun.run_id)  # with the defaults that the wire fills in
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, Ledger, "record", 2, after=True)
        with pytest.raises(Killed):
            begun.run(spec)
    folder = tmp_path_factory.mktemp("twice") / "world"
    shutil.copytree(begun.folder, folder)
    one, two = begun, SmallWorld(folder)
    second = Attempt(two.store, two.run_id, 2)
    second.write_base(attempts.next_base(two.store, two.run_id, 1, list(STAGES)))
    with torchrun(two, number=2) as worker:
        one.run(spec, number=2)
        assert worker.wait(500) == 0, (folder / "2" / "log.txt").read_text()
    return one, two


def steps(world: SmallWorld, stage: str) -> list[Step]:
    return list(Attempt(world.store, world.run_id, 2).steps(stage))


def outcome(world: SmallWorld, stage: str) -> StageOutcome:
    found = Attempt(world.store, world.run_id, 2).outcome(stage)
    assert found is not None
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_losses_are_the_same(worlds: tuple[SmallWorld, SmallWorld], stage: str) -> None:
    one, two = (steps(world, stage) for world in worlds)
    assert [step.step for step in two] == [step.step for step in one]
    assert len(one) == {"ppo": 1, "sft": 5, "reward_model": 5, "dpo": 5}[stage]
    for alone, shared in zip(one, two, strict=True):
        figures = {name: value for name, value in alone.metrics.items() if "second" not in name}
        assert {name: shared.metrics[name] for name in figures} == pytest.approx(figures, abs=1e-4)


@pytest.mark.parametrize("stage", STAGES)
def test_published_weights_are_the_same(worlds: tuple[SmallWorld, SmallWorld], stage: str) -> None:
    one, two = (weights(world, stage) for world in worlds)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(two[name], tensor, atol=1e-4), name


def weights(world: SmallWorld, stage: str) -> dict[str, torch.Tensor]:
    return load_file(world.weights(outcome(world, stage)) / "model.safetensors")
