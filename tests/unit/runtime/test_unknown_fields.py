"""The messages of a newer client are made from those of today, with a field more in the bytes."""

from rlhf.v1 import catalog_pb2, trainer_pb2

from services.runtime.unknown_fields import unknown_fields

FIELD_999 = b"\xb8\x3e\x07"  # varint 7


def test_what_is_known_is_nothing_to_speak_of() -> None:
    spec = trainer_pb2.RunSpec(name="x", sft=trainer_pb2.SftSpec(base_model="b"))
    spec.placement.labels["team"] = "a"
    header = catalog_pb2.DatasetHeader(name="d", field_map={"chosen": "answer"})
    assert [*unknown_fields("spec", spec), *unknown_fields("header", header)] == []


def test_an_unknown_field_is_found_at_every_depth() -> None:
    spec = trainer_pb2.RunSpec(name="x")
    spec.MergeFromString(FIELD_999)
    spec.pipeline.stages.add(name="one").sft.optimization.MergeFromString(FIELD_999)
    spec.pipeline.stages.add(name="two").ppo.MergeFromString(FIELD_999)
    found = list(unknown_fields("spec", spec))
    assert [problem.field for problem in found] == [
        "spec",
        "spec.pipeline.stages[0].sft.optimization",
        "spec.pipeline.stages[1].ppo",
    ]
    assert found[1].given == "field number 999, which this version of the service does not know"
    assert "Optimization" in found[1].expected
