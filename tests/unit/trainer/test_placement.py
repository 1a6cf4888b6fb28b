from collections.abc import Callable
from typing import Any

import pytest

from services.trainer.placement import Placement, Toleration, cluster_problems, local_problems

WISHES: dict[str, Any] = {
    "nodes": 2,
    "processes_per_node": 4,
    "gpus_per_node": 4,
    "cpu": "1.5",
    "memory": "0.5Gi",
    "node_selector": {"example.com/disk": "ssd"},
    "tolerations": (Toleration("nvidia.com/gpu", effect="NoSchedule"),),
    "priority_class": "high.priority",
    "labels": {"kueue.x-k8s.io/queue-name": "team-a"},
}


def said(problems: Callable, **wishes: Any) -> list[str]:
    return [str(problem) for problem in problems(Placement(**wishes))]


def test_a_cluster_takes_every_wish() -> None:
    assert said(cluster_problems, **WISHES) == []
    assert said(cluster_problems) == []


@pytest.mark.parametrize("name", sorted(WISHES.keys() - {"processes_per_node"}))
def test_processes_on_this_machine_have_no_node_to_choose(name: str) -> None:
    (problem,) = said(local_problems, **{name: WISHES[name]})
    assert problem == (
        f"spec.placement.{name}: got {WISHES[name]}, expected nothing: the workers of this trainer are processes on "
        "its own machine (launcher 'local')"
    )


def test_processes_on_this_machine_can_be_several() -> None:
    assert said(local_problems, processes_per_node=2) == []


LABEL_VALUE = "at most 63 letters, digits, '-', '_' or '.', the first and the last a letter or digit"


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"nodes": 257}, "nodes: got 257, expected a number from 1 to 256"),
        ({"processes_per_node": 0}, "processes_per_node: got 0, expected a number from 1 to 64"),
        (
            {"processes_per_node": 3, "gpus_per_node": 2},
            "processes_per_node: got 3 for 2 GPUs, expected at most one process per GPU",
        ),
        ({"cpu": "0.0"}, "cpu: got '0.0', expected a number of cores, as in '2', '1.5' or '500m'"),
        ({"cpu": "two"}, "cpu: got 'two', expected a number of cores, as in '2', '1.5' or '500m'"),
        ({"memory": "4GB"}, "memory: got '4GB', expected an amount of memory, as in '4Gi' or '500Mi'"),
        ({"memory": "0.0Gi"}, "memory: got '0.0Gi', expected an amount of memory, as in '4Gi' or '500Mi'"),
        ({"priority_class": "High"}, "priority_class: got 'High', expected the name of a PriorityClass"),
        ({"labels": {"a..b/c": "d"}}, "labels: got 'a..b/c', expected a label's key, as in 'example.com/disk'"),
        ({"labels": {"team": "-a"}}, f"labels['team']: got '-a', expected {LABEL_VALUE}"),
        ({"node_selector": {"team": "a" * 64}}, f"node_selector['team']: got {'a' * 64!r}, expected {LABEL_VALUE}"),
        ({"labels": {str(n): "" for n in range(17)}}, "labels: got 17 entries, expected at most 16"),
        (
            {"tolerations": (Toleration("", "v", "Never"),)},
            "tolerations[0].key: got '', expected a taint's key, as in 'nvidia.com/gpu'",
        ),
    ],
)
def test_a_wish_that_the_cluster_would_refuse_is_named_before(wishes: dict, expected: str) -> None:
    assert said(cluster_problems, **wishes)[0] == f"spec.placement.{expected}"


def test_an_effect_is_one_of_those_there_are() -> None:
    (problem,) = said(cluster_problems, tolerations=(Toleration("gpu", effect="Never"),))
    assert problem.endswith("got 'Never', expected one of NoSchedule, PreferNoSchedule, NoExecute, or nothing")


@pytest.mark.parametrize("key", ["rlhf/run", "app.kubernetes.io/name", "batch.kubernetes.io/job-name", "job-name"])
def test_a_pod_cannot_pass_itself_off_as_another(key: str) -> None:
    """Services, budgets and network policies choose pods by these labels, and so does the trainer."""
    assert said(cluster_problems, labels={key: "rlhf-policy"}) == [
        f"spec.placement.labels[{key!r}]: got a label that the trainer sets itself, expected another key"
    ]
