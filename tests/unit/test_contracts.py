"""Promises of the contracts themselves, read from the generated descriptors."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from rlhf.v1 import catalog_pb2, policy_pb2, reference_pb2, reward_pb2, trainer_pb2, types_pb2

FILES = [catalog_pb2, policy_pb2, reference_pb2, reward_pb2, trainer_pb2, types_pb2]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.DESCRIPTOR.name)
def test_numbers_per_token_are_packed(file) -> None:
    """Unpacked floats would cost five bytes each on the wire instead of four, ids up to six."""
    for message in file.DESCRIPTOR.message_types_by_name.values():
        for field in message.fields:
            if field.is_repeated and field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_UINT32):
                assert field.is_packed, field.full_name


def test_a_rollout_names_the_weights_that_made_it() -> None:
    rollout = types_pb2.Rollout(model_version=types_pb2.ModelVersion(model="sft", version="1.0-x", digest="ab"))
    assert types_pb2.Rollout.FromString(rollout.SerializeToString()).model_version.digest == "ab"


def test_a_failed_score_is_not_a_zero() -> None:
    """The status a receiver sees when a sender forgot to set it is neither OK nor a score."""
    assert reward_pb2.Score().status == reward_pb2.SCORE_STATUS_UNSPECIFIED != reward_pb2.SCORE_STATUS_OK


def test_a_coefficient_of_zero_differs_from_an_unset_one() -> None:
    """A KL coefficient of 0 is a choice that must survive the wire."""
    spec = trainer_pb2.PpoSpec(kl_coefficient=0.0)
    assert trainer_pb2.PpoSpec.FromString(spec.SerializeToString()).HasField("kl_coefficient")
    assert not trainer_pb2.PpoSpec().HasField("kl_coefficient")
