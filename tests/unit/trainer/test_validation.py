"""Specs that are refused, with the messages that people read."""

from pathlib import Path

import pytest
from rlhf.v1 import trainer_pb2 as pb

from services.runtime.errors import InvalidInput
from services.storage.datasets import DatasetStore
from services.storage.location import open_store
from services.storage.models import ModelStore
from services.trainer import specs
from services.trainer.recipes import RunSpec, SftSpec
from services.trainer.validation import Validator
from tests.unit.trainer.control_planes import LLAMA, REWARD, pipeline, publish, sft

PPO = {"policy_model": "base", "reward_model": "judge", "prompts": "prompts"}


def pinned(folder: Path, message: pb.RunSpec) -> RunSpec:
    store = open_store(str(folder / "store"))
    validator = Validator(store, ModelStore(store, folder / "cache"), DatasetStore(store))
    return validator.pinned(specs.decode(message))


def problems(folder: Path, message: pb.RunSpec) -> list[str]:
    with pytest.raises(InvalidInput) as raised:
        pinned(folder, message)
    return [str(problem) for problem in raised.value.problems]


def ppo(**fields) -> pb.RunSpec:
    return pb.RunSpec(name="tuned", ppo=pb.PpoSpec(**{**PPO, **fields}))


def test_good_names_are_pinned_to_what_they_mean_now(folder: Path) -> None:
    stage = pinned(folder, sft()).stage
    newer = publish(folder, "base", LLAMA)
    assert isinstance(stage, SftSpec)
    assert stage.base_model.startswith("base@")
    assert stage.base_model != str(newer)
    assert len(stage.dataset) == len("demos@") + 64


def test_an_alias_is_pinned_too(folder: Path) -> None:
    store = open_store(str(folder / "store"))
    version = ModelStore(store, folder / "cache").promote("base", "policy/default")
    message = sft()
    message.sft.base_model = "policy/default"
    stage = pinned(folder, message).stage
    assert isinstance(stage, SftSpec)
    assert stage.base_model == str(version)


def test_a_run_asks_for_what_the_launcher_can_give(folder: Path) -> None:
    message = sft()
    message.placement.nodes, message.deadline_seconds = 2, 2**32 - 1
    found = problems(folder, message)
    assert [text.split(": ")[0] for text in found] == ["spec.deadline_seconds", "spec.placement.nodes"]


def test_all_problems_come_at_once(folder: Path) -> None:
    message = ppo(gamma=1.5, kl_coefficient=0.0, kl_target=6.0, policy_model="nobody", prompts="pairs", minibatches=16)
    message.name = "a/b"
    found = problems(folder, message)
    assert [text.split(": ")[0] for text in found] == [
        "spec.name",
        "spec.ppo.gamma",
        "spec.ppo.kl_target",
        "spec.ppo.minibatches",
        "spec.ppo.policy_model",
        "spec.ppo.prompts",
    ]


def test_an_unknown_model_names_those_there_are(folder: Path) -> None:
    assert problems(folder, ppo(policy_model="nobody")) == [
        "spec.ppo.policy_model: got 'nobody', expected a language model of the catalog "
        "(no model 'nobody'; there are base, judge)"
    ]


def test_a_name_left_out_is_asked_for_unless_it_is_optional(folder: Path) -> None:
    message = pb.RunSpec(name="x", evaluate=pb.EvaluateSpec())
    assert problems(folder, message) == [
        "spec.evaluate.policy_model: got nothing, expected a language model",
        "spec.evaluate.prompts: got nothing, expected a dataset of prompts",
    ]


def test_a_model_of_the_wrong_kind_is_refused(folder: Path) -> None:
    assert problems(folder, ppo(policy_model="judge", reward_model="base")) == [
        "spec.ppo.policy_model: got 'judge', a reward model, expected a language model",
        "spec.ppo.reward_model: got 'base', a language model, expected a reward model",
    ]


def test_a_dataset_of_the_wrong_type_is_refused(folder: Path) -> None:
    assert problems(folder, ppo(prompts="pairs")) == [
        "spec.ppo.prompts: got 'pairs' with comparisons, expected a dataset of prompts"
    ]


def test_an_impossible_name_is_refused(folder: Path) -> None:
    [problem] = problems(folder, ppo(policy_model="../secrets"))
    assert problem.startswith("spec.ppo.policy_model: got '../secrets', expected a language model of the catalog")


def test_responses_fit_the_policys_context(folder: Path) -> None:
    assert problems(folder, ppo(max_new_tokens=128)) == [
        "spec.ppo.max_new_tokens: got 128, expected fewer than the 128 tokens that the policy's context has for prompt "
        "and response"
    ]


def test_one_tokenizer_and_two_chat_templates_are_a_mismatch(folder: Path) -> None:
    publish(folder, "other", REWARD, chat_template_digest="c" * 64)
    assert problems(folder, ppo(reward_model="other")) == [
        "spec.ppo.reward_model: got a model trained with the chat template cccccccccccc, expected the policy's chat "
        "template, bbbbbbbbbbbb"
    ]
    publish(folder, "foreign", REWARD, chat_template_digest="c" * 64, tokenizer_digest="d" * 64)
    pinned(folder, ppo(reward_model="foreign"))  # is sent text, and uses its own template


def test_a_reference_has_the_policys_tokenizer(folder: Path) -> None:
    publish(folder, "foreign", LLAMA, tokenizer_digest="d" * 64)
    evaluate = pb.EvaluateSpec(policy_model="base", reference_model="foreign", prompts="prompts")
    assert problems(folder, pb.RunSpec(name="x", evaluate=evaluate)) == [
        "spec.evaluate.reference_model: got a model with the tokenizer dddddddddddd, expected the policy's tokenizer, "
        "aaaaaaaaaaaa"
    ]


SFT = pb.SftSpec(base_model="base", dataset="demos")
JUDGE = pb.RewardModelSpec(base_model="stage:sft", dataset="pairs")


def test_a_pipeline_of_good_stages_is_accepted(folder: Path) -> None:
    spec = pipeline(
        sft=SFT,
        reward=JUDGE,
        ppo=pb.PpoSpec(policy_model="stage:sft", reward_model="stage:reward", prompts="prompts"),
        judged=pb.EvaluateSpec(
            policy_model="stage:ppo", reference_model="stage:sft", reward_model="stage:reward", prompts="prompts"
        ),
    )
    stages = dict(pinned(folder, spec).stages())
    assert stages["reward"].base_model == "stage:sft"  # type: ignore[union-attr]
    assert stages["sft"].base_model.startswith("base@")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (
            {"reward": JUDGE, "sft": SFT},
            "spec.pipeline.stages[0].reward_model.base_model: got 'stage:sft', expected an earlier stage (no stage "
            "comes before this one)",
        ),
        (
            {"sft": SFT, "ppo": pb.PpoSpec(policy_model="stage:sft", reward_model="stage:rm", prompts="prompts")},
            "spec.pipeline.stages[1].ppo.reward_model: got 'stage:rm', expected an earlier stage (stage:sft)",
        ),
        (
            {"sft": SFT, "ppo": pb.PpoSpec(policy_model="base", reward_model="stage:sft", prompts="prompts")},
            "spec.pipeline.stages[1].ppo.reward_model: got 'stage:sft', which makes a language model, expected a "
            "reward model",
        ),
        (
            {
                "look": pb.EvaluateSpec(policy_model="base", prompts="prompts"),
                "sft": pb.SftSpec(base_model="stage:look", dataset="demos"),
            },
            "spec.pipeline.stages[1].sft.base_model: got 'stage:look', an evaluation, expected a stage that makes a "
            "language model",
        ),
        ({}, "spec.pipeline.stages: got 0 stages, expected 1 to 32 stages"),
    ],
)
def test_a_reference_to_a_stage_is_followed(folder: Path, stages: dict, expected: str) -> None:
    assert problems(folder, pipeline(**stages)) == [expected]


def test_stage_names_are_unique_and_plain(folder: Path) -> None:
    stage = pb.PipelineStage(name="one", sft=SFT)
    bad = pb.PipelineStage(name="../two", sft=SFT)
    found = problems(folder, pb.RunSpec(name="x", pipeline=pb.PipelineSpec(stages=[stage, stage, bad])))
    assert found[0] == "spec.pipeline.stages[1].name: got 'one' again, expected a name that no other stage has"
    assert found[1].startswith("spec.pipeline.stages[2].name: got '../two', expected 1 to 100 letters")
