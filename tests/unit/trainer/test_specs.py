from dataclasses import replace

import pytest
from rlhf.v1 import trainer_pb2 as pb

from services.runtime.errors import InvalidInput, NotFound
from services.storage.location import open_store
from services.trainer import specs
from services.trainer.placement import Placement, Toleration
from services.trainer.recipes import MissingEos, Optimization, PipelineSpec, PpoSpec, SftSpec
from tests.unit.trainer.control_planes import pipeline

PPO = {"policy_model": "sft", "reward_model": "judge", "prompts": "prompts"}


def ppo(**fields) -> PpoSpec:
    stage = specs.decode(pb.RunSpec(name="x", ppo=pb.PpoSpec(**PPO, **fields))).stage
    assert isinstance(stage, PpoSpec)
    return stage


def test_what_is_not_set_is_the_recipes_default() -> None:
    assert ppo() == PpoSpec(**PPO)


def test_an_optional_zero_is_a_choice_and_another_zero_is_none() -> None:
    chosen = ppo(kl_coefficient=0.0, gamma=0.0, clip_range=0.0)
    assert (chosen.kl_coefficient, chosen.gamma) == (0.0, 0.0)
    assert chosen.clip_range == PpoSpec.clip_range


def test_each_stage_has_its_own_defaults_inside_optimization() -> None:
    spec = specs.decode(pb.RunSpec(sft=pb.SftSpec(base_model="b", optimization=pb.Optimization(epochs=2))))
    assert isinstance(spec.stage, SftSpec)
    assert spec.stage.optimization == replace(SftSpec.optimization, epochs=2)


def test_a_default_makes_room_for_a_smaller_batch_and_a_choice_stands() -> None:
    def sft(**given: int) -> Optimization:
        stage = specs.decode(pb.RunSpec(sft=pb.SftSpec(optimization=pb.Optimization(**given)))).stage
        assert isinstance(stage, SftSpec)
        return stage.optimization

    assert sft(batch_size=4) == replace(SftSpec.optimization, batch_size=4, micro_batch_size=4)
    assert sft().micro_batch_size == SftSpec.optimization.micro_batch_size
    assert sft(batch_size=4, micro_batch_size=8).micro_batch_size == 8, "which validation refuses"


def test_a_number_means_what_somebody_wrote() -> None:
    """The wire has 32-bit floats: 0.05 would come out as 0.05000000074505806."""
    assert ppo(kl_coefficient=0.05).kl_coefficient == 0.05


def refused(message: pb.RunSpec) -> list[str]:
    return [str(problem) for problem in specs.refused(message)]


def test_what_ppo_does_not_read_is_refused_even_at_its_default() -> None:
    unread = pb.Optimization(learning_rate=1e-4, batch_size=32, epochs=1, max_length=256)
    assert refused(pb.RunSpec(ppo=pb.PpoSpec(**PPO, optimization=unread))) == [
        "spec.ppo.optimization.batch_size: got 32, expected nothing: this stage is told by prompts_per_step, "
        "samples_per_prompt and minibatches",
        "spec.ppo.optimization.epochs: got 1, expected nothing: this stage is told by steps and inner_epochs",
        "spec.ppo.optimization.max_length: got 256, expected nothing: this stage is told by max_new_tokens, within the "
        "policy's context",
    ]
    message = pipeline(first=pb.SftSpec(optimization=unread), then=pb.PpoSpec(**PPO, optimization=unread))
    assert {problem.split(": ")[0].rpartition(".")[0] for problem in refused(message)} == {
        "spec.pipeline.stages[1].ppo.optimization"
    }


def test_a_spec_that_comes_back_can_be_asked_for_again() -> None:
    for stage in ({"ppo": pb.PpoSpec(**PPO)}, {"sft": pb.SftSpec()}, {"evaluate": pb.EvaluateSpec()}):
        assert refused(specs.encode(specs.decode(pb.RunSpec(**stage)))) == []


def test_an_enum_becomes_a_word() -> None:
    assert ppo(missing_eos=pb.MISSING_EOS_REWARD_SUBTRACT).missing_eos is MissingEos.SUBTRACT


def test_an_unknown_enum_value_is_refused() -> None:
    message = pb.RunSpec(ppo=pb.PpoSpec(**PPO))
    message.ppo.missing_eos = 7  # type: ignore[assignment]
    with pytest.raises(InvalidInput, match="missing_eos: got 7, expected one of replace, subtract"):
        specs.decode(message)


def test_a_spec_without_a_stage_names_the_stages_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"spec\.stage: got nothing, expected one of sft, reward_model, ppo"):
        specs.decode(pb.RunSpec(name="x"))


def test_a_pipeline_stage_without_a_kind_is_named() -> None:
    message = pb.RunSpec(pipeline=pb.PipelineSpec(stages=[pb.PipelineStage(name="empty")]))
    with pytest.raises(InvalidInput, match=r"spec\.pipeline\.stages\[0\]\.stage: got nothing"):
        specs.decode(message)


def test_a_spec_survives_storage_with_every_default_written_out(tmp_path) -> None:
    message = pipeline(
        first=pb.SftSpec(base_model="base", dataset="demos"),
        then=pb.PpoSpec(**PPO, kl_coefficient=0.0, missing_eos=pb.MISSING_EOS_REWARD_SUBTRACT),
    )
    message.seed, message.deterministic = 2**40, True
    spec, store = specs.decode(message), open_store(str(tmp_path))
    specs.write_spec(store, "run-1", spec)
    assert specs.read_spec(store, "run-1") == spec
    assert isinstance(spec.stage, PipelineSpec)
    assert [name for name, _ in spec.stages()] == ["first", "then"]
    assert specs.encode(spec).pipeline.stages[1].ppo.clip_range == pytest.approx(0.2)


def test_a_placement_survives_and_counts_one_process_per_gpu(tmp_path) -> None:
    message = pb.RunSpec(name="x", sft=pb.SftSpec(base_model="b", dataset="d"), deadline_seconds=60)
    assert specs.decode(message).placement == Placement()
    message.placement.CopyFrom(
        pb.Placement(
            nodes=2,
            gpus_per_node=4,
            cpu="8",
            memory="64Gi",
            node_selector={"disk": "ssd"},
            tolerations=[pb.Toleration(key="gpu", value="yes", effect="NoSchedule")],
            priority_class="high",
            labels={"team": "a"},
        )
    )
    spec, store = specs.decode(message), open_store(str(tmp_path))
    specs.write_spec(store, "run-1", spec)
    assert specs.read_spec(store, "run-1") == spec
    assert spec.deadline_seconds == 60
    assert spec.placement == Placement(
        2, 4, 4, "8", "64Gi", {"disk": "ssd"}, (Toleration("gpu", "yes", "NoSchedule"),), "high", {"team": "a"}
    )


def test_a_missing_spec_is_not_found(tmp_path) -> None:
    with pytest.raises(NotFound, match="no run 'run-9'"):
        specs.read_spec(open_store(str(tmp_path)), "run-9")
