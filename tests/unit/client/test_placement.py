import pytest
import rlhf


def test_it_is_told_field_by_field_on_a_command_line() -> None:
    given = rlhf.Placement.parse(
        [
            "nodes=2",
            "cpu=500m",
            "labels.kueue.x-k8s.io/queue-name=team-a",
            "labels.team=a",
            "node_selector.disk=ssd",
            "tolerations=gpu:NoSchedule",
            "tolerations=team=a",
        ]
    )
    assert given == rlhf.Placement(
        nodes=2,
        cpu="500m",
        labels={"kueue.x-k8s.io/queue-name": "team-a", "team": "a"},
        node_selector={"disk": "ssd"},
        tolerations=(rlhf.Toleration("gpu", effect="NoSchedule"), rlhf.Toleration("team", "a")),
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("node=2", "--place: got 'node', expected FIELD=VALUE, with one of nodes, processes_per_node"),
        ("nodes=two", "nodes: got 'two', expected a number"),
        ("labels=a", "node_selector.KEY"),
        ("memory", "--place: got 'memory', expected FIELD=VALUE"),
    ],
)
def test_what_cannot_be_meant_is_refused(setting: str, words: str) -> None:
    with pytest.raises(rlhf.InvalidInputError) as caught:
        rlhf.Placement.parse([setting])
    assert words in str(caught.value)


def test_a_value_of_the_wrong_type_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(rlhf.InvalidInputError, match="placement: "):
        rlhf.Placement(nodes="two").to_message()  # type: ignore[arg-type]
