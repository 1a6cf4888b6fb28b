"""Every field of a stage's spec is read by the stage: what a recipe holds and nobody reads would be a false promise."""

import dataclasses
from typing import Any

import pytest
from transformers import LlamaForSequenceClassification

from services.trainer.recipes import KINDS
from services.trainer.worker import pipeline
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, comparisons, demonstrations, prompts


def watched(values: Any, read: set[str]) -> Any:
    """A copy that notes the names of the fields that are asked for; those of dataclasses inside count too."""
    names = {field.name for field in dataclasses.fields(values)}

    class Watched(type(values)):
        def __getattribute__(self, name: str) -> Any:
            if name in names:
                read.add(name)
            return super().__getattribute__(name)

    inner = {name: getattr(values, name) for name in names}
    nested = {name: watched(value, read) for name, value in inner.items() if dataclasses.is_dataclass(value)}
    return Watched(**inner | nested)


def spec_of(kind: str, world: SmallWorld) -> Any:
    policy = str(world.publish("base", small_world.policy()))
    scorer = LlamaForSequenceClassification(small_world.config(num_labels=1)).eval()
    scorer.config.reward_offset = 0.0
    judge = str(world.publish("judge", scorer))
    demos, pairs = world.put("demos", demonstrations(24)), world.put("pairs", comparisons(24))
    asked = world.put("asked", prompts(24))
    few = {"prompts": asked, "max_new_tokens": 4}
    given: dict[str, Any] = {
        "sft": {"base_model": policy, "dataset": demos},
        "reward_model": {"base_model": policy, "dataset": pairs, "demonstrations": demos},
        "dpo": {"policy_model": policy, "dataset": pairs},
        "ppo": {"policy_model": policy, "reward_model": judge, "steps": 2, "prompts_per_step": 8, **few},
        "evaluate": {"policy_model": policy, "reference_model": policy, "reward_model": judge, **few},
    }
    return KINDS[kind](**given[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_reads_all_that_its_recipe_holds(kind: str, world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    spec = spec_of(kind, world)
    names = {field.name for field in dataclasses.fields(spec)}
    if "optimization" in names:
        names |= {field.name for field in dataclasses.fields(spec.optimization)}
    monkeypatch.setattr(pipeline, "resolved", lambda stage, outcomes: stage)  # which reads every field
    copy = watched(spec, read)
    read.clear()
    world.train(copy)
    assert names - read == set()
