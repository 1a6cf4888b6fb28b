import pytest
import rlhf
from rlhf.specs import run_spec
from rlhf.v1 import trainer_pb2

SPECS = [rlhf.Sft, rlhf.RewardModel, rlhf.Ppo, rlhf.Dpo, rlhf.Evaluate]


@pytest.mark.parametrize("spec", SPECS)
def test_fields_are_those_of_the_contract(spec: type[rlhf.Spec]) -> None:
    """No setting that a service reads is out of reach, none is made up."""
    contract = set(spec.message.DESCRIPTOR.fields_by_name)
    if "optimization" in contract:
        contract = contract - {"optimization"} | set(trainer_pb2.Optimization.DESCRIPTOR.fields_by_name)
    if spec is rlhf.Ppo:
        contract -= {"batch_size", "epochs", "max_length"}
    assert set(spec.__dataclass_fields__) == contract  # type: ignore[attr-defined]


def test_an_unknown_field_is_refused_with_the_closest_one() -> None:
    with pytest.raises(rlhf.InvalidInputError) as caught:
        rlhf.Sft(base_model="m", dataset="d", learning_rte=1e-3, zzz=1)  # type: ignore[call-arg]
    assert isinstance(caught.value, ValueError)
    first, second = caught.value.problems
    assert first.field == "learning_rte"
    assert "did you mean 'learning_rate'?" in first.description
    assert "base_model" in second.description
    assert "did you mean" not in second.description


def test_specs_take_keywords_only() -> None:
    with pytest.raises(TypeError):
        rlhf.Sft("m", "d")  # type: ignore[call-arg, misc]
    with pytest.raises(TypeError, match="dataset"):
        rlhf.Sft(base_model="m")  # type: ignore[call-arg]


def test_what_is_left_out_stays_unset_and_zero_is_kept_where_it_means_something() -> None:
    message = rlhf.Ppo(
        policy_model="p", reward_model="r", prompts="d", kl_coefficient=0.0, max_staleness=0
    ).to_message()
    assert message.HasField("kl_coefficient")
    assert message.kl_coefficient == 0.0
    assert not message.HasField("gamma")
    assert message.steps == 0


def test_a_zero_that_the_contract_would_read_as_the_default_is_refused() -> None:
    with pytest.raises(rlhf.InvalidInputError, match="learning_rate: got 0") as caught:
        rlhf.Sft(base_model="m", dataset="d", learning_rate=0.0, epochs=0).to_message()
    assert [problem.field for problem in caught.value.problems] == ["learning_rate", "epochs"]


def test_versions_and_names_both_name_models() -> None:
    version = rlhf.ModelVersion("sft", "1.3-aa", "d1")
    assert rlhf.Dpo(policy_model=version, dataset="d").to_message().policy_model == "sft@1.3-aa"


def test_a_value_of_the_wrong_kind_names_its_field() -> None:
    with pytest.raises(rlhf.InvalidInputError, match=r"^epochs: "):
        rlhf.Sft(base_model="m", dataset="d", epochs="three").to_message()  # type: ignore[arg-type]
    with pytest.raises(rlhf.InvalidInputError, match="missing_eos: got 'drop', expected one of replace, subtract"):
        rlhf.Ppo(policy_model="p", reward_model="r", prompts="d", missing_eos="drop").to_message()


def test_a_pipeline_keeps_the_order_of_its_stages() -> None:
    spec = rlhf.Pipeline(
        sft=rlhf.Sft(base_model="m", dataset="d", batch_size=8),
        rm=rlhf.RewardModel(base_model="stage:sft", dataset="c"),
    )
    message = run_spec(spec, name="n", seed=1, deterministic=False, threads=2)
    assert [(s.name, s.WhichOneof("stage")) for s in message.pipeline.stages] == [
        ("sft", "sft"),
        ("rm", "reward_model"),
    ]
    assert message.pipeline.stages[0].sft.optimization.batch_size == 8
    assert (message.name, message.seed, message.threads) == ("n", 1, 2)


def test_problems_in_a_pipeline_are_named_by_stage() -> None:
    spec = rlhf.Pipeline(sft=rlhf.Sft(base_model="m", dataset="d", epochs=0))
    with pytest.raises(rlhf.InvalidInputError, match=r"^sft\.epochs: "):
        spec.to_message()
