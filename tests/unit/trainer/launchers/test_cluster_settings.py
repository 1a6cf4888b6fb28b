from typing import Any

import pytest

from services.runtime.errors import InvalidInput
from services.trainer.settings import TrainerSettings

CLUSTER: dict[str, Any] = {
    "launcher": "kubernetes",
    "storage": "s3://bucket",
    "advertise": "rlhf-trainer:50054",
    "worker_image": "rlhf:1",
}


def problems(**settings: Any) -> list[str]:
    with pytest.raises(InvalidInput) as raised:
        TrainerSettings(**{**CLUSTER, **settings})
    return [str(problem) for problem in raised.value.problems]


def test_a_cluster_needs_an_image_an_address_and_storage_that_pods_reach() -> None:
    assert TrainerSettings(**CLUSTER).launcher == "kubernetes"
    assert problems(worker_image="", advertise="", storage="/data") == [
        "worker_image: got nothing, expected a value, for the launcher 'kubernetes'",
        "advertise: got nothing, expected a value, for the launcher 'kubernetes'",
        "storage: got '/data', expected s3://bucket/prefix: a worker's pod has no folder of this one",
    ]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"launcher": "slurm"}, "launcher: got 'slurm', expected one of local, kubernetes"),
        ({"namespace": "My"}, "namespace: got 'My', expected a name of lower-case letters, digits and '-'"),
        ({"worker_memory": "4GB"}, "worker_memory: got '4GB', expected a Kubernetes quantity, as in '2' or '4Gi'"),
        ({"room_seconds": -1}, "room_seconds: got -1, expected a number of seconds, 0 or more"),
    ],
)
def test_a_setting_that_the_cluster_would_refuse_is_named(settings: dict, expected: str) -> None:
    assert problems(**settings) == [expected]


def test_nothing_of_it_matters_to_processes_of_this_machine() -> None:
    assert TrainerSettings(storage="/data", worker_memory="?").launcher == "local"
