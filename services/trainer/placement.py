"""Where the processes of a run's worker stand, and which wishes a trainer accepts.

A wish is a value that ends up in one named field of a Job: nobody can name an image, a command, a volume or an account.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from services.runtime.errors import Problem

EFFECTS = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")
# What the trainer finds its own objects by, and what Kubernetes writes itself.
RESERVED_LABELS = ("rlhf/", "app.kubernetes.io/", "batch.kubernetes.io/", "controller-uid", "job-name")
MAX_NODES, MAX_PER_NODE, MAX_ENTRIES = 256, 64, 16

_PART = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?=.{{1,253}}(/|$)){_LABEL}(\.{_LABEL})*"
LABEL_KEY = re.compile(rf"({_DOMAIN}/)?{_PART}")
LABEL_VALUE = re.compile(rf"({_PART})?")
NAME = re.compile(_DOMAIN)
CPU = re.compile(r"[1-9][0-9]{0,3}|[1-9][0-9]{0,6}m|(?!0+\.0+$)[0-9]{1,4}\.[0-9]{1,3}")
MEMORY = re.compile(r"[1-9][0-9]{0,18}|(?!0+(\.0+)?[A-Za-z])[0-9]{1,10}(\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|k|M|G|T)")


@dataclass(frozen=True)
class Toleration:
    """Of a node's taint; an empty value or effect stands for all of them."""

    key: str
    value: str = ""
    effect: str = ""


@dataclass(frozen=True)
class Placement:
    """Mirrors the message of protos/rlhf/v1/trainer.proto; what is not set is the service's setting."""

    nodes: int = 1
    processes_per_node: int = 1
    gpus_per_node: int = 0
    cpu: str = ""  # of each node, a Kubernetes quantity
    memory: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    priority_class: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def processes(self) -> int:
        return self.nodes * self.processes_per_node


def local_problems(placement: Placement) -> Iterator[Problem]:
    """Of a trainer whose workers are processes beside it."""
    default = Placement()
    yield from _counts(placement)
    for name in (f.name for f in fields(Placement) if f.name != "processes_per_node"):
        if (given := getattr(placement, name)) != getattr(default, name):
            expected = "nothing: the workers of this trainer are processes on its own machine (launcher 'local')"
            yield Problem(f"spec.placement.{name}", str(given), expected)


def cluster_problems(placement: Placement) -> Iterator[Problem]:
    """Of a trainer that launches Kubernetes Jobs; what passes, the API server accepts too."""
    yield from _counts(placement)
    if placement.gpus_per_node and placement.processes_per_node > placement.gpus_per_node:
        given = f"{placement.processes_per_node} for {placement.gpus_per_node} GPUs"
        yield Problem("spec.placement.processes_per_node", given, "at most one process per GPU")
    yield from _matches("cpu", placement.cpu, CPU, "a number of cores, as in '2', '1.5' or '500m'")
    yield from _matches("memory", placement.memory, MEMORY, "an amount of memory, as in '4Gi' or '500Mi'")
    yield from _matches("priority_class", placement.priority_class, NAME, "the name of a PriorityClass")
    yield from _labels("node_selector", placement.node_selector)
    yield from _labels("labels", placement.labels)
    for key in filter(_reserved, placement.labels):
        yield Problem(f"spec.placement.labels[{key!r}]", "a label that the trainer sets itself", "another key")
    yield from _tolerations(placement.tolerations)


def _counts(placement: Placement) -> Iterator[Problem]:
    limits = {
        "nodes": (1, MAX_NODES),
        "processes_per_node": (1, MAX_PER_NODE),
        "gpus_per_node": (0, MAX_PER_NODE),
    }
    for name, (low, high) in limits.items():
        if not low <= (given := getattr(placement, name)) <= high:
            yield Problem(f"spec.placement.{name}", str(given), f"a number from {low} to {high}")


def _matches(name: str, given: str, pattern: re.Pattern, expected: str) -> Iterator[Problem]:
    if given and not pattern.fullmatch(given):
        yield Problem(f"spec.placement.{name}", repr(given[:100]), expected)


def _labels(name: str, labels: Mapping[str, str]) -> Iterator[Problem]:
    yield from _few(name, len(labels))
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key):
            yield Problem(f"spec.placement.{name}", repr(key[:100]), "a label's key, as in 'example.com/disk'")
        if not LABEL_VALUE.fullmatch(value):
            expected = "at most 63 letters, digits, '-', '_' or '.', the first and the last a letter or digit"
            yield Problem(f"spec.placement.{name}[{key[:100]!r}]", repr(value[:100]), expected)


def _tolerations(tolerations: tuple[Toleration, ...]) -> Iterator[Problem]:
    yield from _few("tolerations", len(tolerations))
    for index, toleration in enumerate(tolerations):
        path = f"spec.placement.tolerations[{index}]"
        if not LABEL_KEY.fullmatch(toleration.key):
            yield Problem(f"{path}.key", repr(toleration.key[:100]), "a taint's key, as in 'nvidia.com/gpu'")
        if not LABEL_VALUE.fullmatch(toleration.value):
            yield Problem(f"{path}.value", repr(toleration.value[:100]), "a taint's value, or nothing")
        if toleration.effect not in EFFECTS:
            expected = f"one of {', '.join(EFFECTS[1:])}, or nothing"
            yield Problem(f"{path}.effect", repr(toleration.effect[:100]), expected)


def _few(name: str, count: int) -> Iterator[Problem]:
    if count > MAX_ENTRIES:
        yield Problem(f"spec.placement.{name}", f"{count} entries", f"at most {MAX_ENTRIES}")


def _reserved(key: str) -> bool:
    return key.startswith(RESERVED_LABELS)
