"""Where the processes of a run's worker stand, and what they are given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from rlhf.errors import InvalidInputError, Problem
from rlhf.v1 import trainer_pb2

COUNTS = ("nodes", "processes_per_node", "gpus_per_node")
MAPPINGS = ("node_selector", "labels")


@dataclass(frozen=True)
class Toleration:
    """Of a node's taint; an empty value or effect stands for all of them."""

    key: str
    value: str = ""
    effect: str = ""  # NoSchedule, PreferNoSchedule or NoExecute

    @classmethod
    def parse(cls, text: str) -> "Toleration":
        """As kubectl writes taints: key, key:effect, key=value or key=value:effect."""
        taint, _, effect = text.partition(":")
        key, _, value = taint.partition("=")
        return cls(key, value, effect)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What is left out is the service's setting. All but `processes_per_node` is for a service that runs its workers on
    Kubernetes: several nodes make an Indexed Job, `cpu` and `memory` are quantities ("500m", "4Gi") of each node, and
    the label kueue.x-k8s.io/queue-name queues the Job with Kueue.
    """

    nodes: int = 0
    processes_per_node: int = 0  # under torchrun; 0: one, or one per GPU
    gpus_per_node: int = 0
    cpu: str = ""
    memory: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    priority_class: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_message(self) -> trainer_pb2.Placement:
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        given["tolerations"] = [trainer_pb2.Toleration(**vars(toleration)) for toleration in self.tolerations]
        try:
            return trainer_pb2.Placement(**given)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(Problem("placement", str(error))) from None

    @classmethod
    def parse(cls, settings: Iterable[str]) -> "Placement":
        """["nodes=2", "labels.team=a", "tolerations=gpu:NoSchedule"]; raises InvalidInputError."""
        given: dict[str, Any] = {}
        for setting in settings:
            path, _, text = setting.partition("=")
            name, _, key = path.partition(".")
            if name in MAPPINGS and key:
                given.setdefault(name, {})[key] = text
            elif name == "tolerations" and text:
                given[name] = (*given.get(name, ()), Toleration.parse(text))
            else:
                given[name] = _value(path, text)
        return cls(**given)


def _value(name: str, text: str) -> int | str:
    known = [each.name for each in fields(Placement)]
    if name not in known or name in MAPPINGS or not text:
        forms = ", ".join(f"{each}.KEY" if each in MAPPINGS else each for each in known)
        raise InvalidInputError(Problem("--place", f"got {name!r}, expected FIELD=VALUE, with one of {forms}"))
    if name in COUNTS and not text.isdecimal():
        raise InvalidInputError(Problem(name, f"got {text!r}, expected a number"))
    return int(text) if name in COUNTS else text
