import dataclasses

import pytest
from rlhf.v1 import trainer_pb2 as pb

from services.trainer import recipes
from services.trainer.recipes import KINDS, RunSpec, SftSpec
from services.trainer.rules import contradictions, out_of_range
from services.trainer.unread import INSTEAD

MESSAGES = {"sft": pb.SftSpec, "reward_model": pb.RewardModelSpec, "ppo": pb.PpoSpec, "dpo": pb.DpoSpec}
MESSAGES |= {"evaluate": pb.EvaluateSpec}


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_has_the_fields_of_its_message(kind: str) -> None:
    assert {f.name for f in dataclasses.fields(KINDS[kind])} == set(MESSAGES[kind].DESCRIPTOR.fields_by_name)


def test_optimization_has_the_fields_of_its_message() -> None:
    own = {f.name for f in dataclasses.fields(recipes.Optimization)}
    assert own == set(pb.Optimization.DESCRIPTOR.fields_by_name)
    assert own - {f.name for f in dataclasses.fields(recipes.Updates)} == set(INSTEAD), "what PPO is told otherwise"


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_obey_the_rules(kind: str) -> None:
    required = [f.name for f in dataclasses.fields(KINDS[kind]) if f.default is dataclasses.MISSING]
    stage = KINDS[kind](**dict.fromkeys(required, "name"))
    assert [*out_of_range(kind, stage), *contradictions(kind, stage)] == []


def test_a_single_stage_goes_by_its_kind() -> None:
    stage = SftSpec("base", "demos")
    assert RunSpec("x", stage).stages() == (("sft", stage),)
