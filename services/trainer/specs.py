"""Run specs between the wire (protobuf) and plain values (`recipes`)."""

import dataclasses
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from rlhf.v1 import trainer_pb2

from services.runtime.errors import InvalidInput, NotFound, Problem
from services.runtime.unknown_fields import unknown_fields
from services.storage.object_store import ObjectNotFound, ObjectStore
from services.trainer import attempts
from services.trainer.placement import Placement, Toleration
from services.trainer.recipes import KINDS, MissingEos, Optimization, PipelineSpec, RunSpec, StageSpec, kind_of
from services.trainer.unread import unread_fields

MISSING_EOS: dict[int, MissingEos] = {
    trainer_pb2.MISSING_EOS_REWARD_REPLACE: MissingEos.REPLACE,
    trainer_pb2.MISSING_EOS_REWARD_SUBTRACT: MissingEos.SUBTRACT,
}


def decode(message: trainer_pb2.RunSpec) -> RunSpec:
    """Fills in every default; raises InvalidInput where a stage is missing."""
    return RunSpec(
        name=message.name,
        stage=_stage(message, "spec"),
        seed=message.seed,
        deterministic=message.deterministic,
        threads=message.threads,
        placement=_placement(message.placement),
        deadline_seconds=message.deadline_seconds,
    )


def refused(message: trainer_pb2.RunSpec) -> Iterator[Problem]:
    """What somebody set and nobody would read. A spec of our own storage is not asked: its defaults may have had it."""
    yield from unknown_fields("spec", message)
    stages = [(f"spec.pipeline.stages[{i}]", stage) for i, stage in enumerate(message.pipeline.stages)]
    for path, holder in stages or [("spec", message)]:
        kind = holder.WhichOneof("stage")
        if kind in KINDS:
            stage = getattr(holder, kind)
            yield from unread_fields(f"{path}.{kind}", stage, _fill(stage, KINDS[kind]))


def encode(spec: RunSpec) -> trainer_pb2.RunSpec:
    """Every default written out: what a run was accepted with stays true when defaults change."""
    message = trainer_pb2.RunSpec(
        name=spec.name,
        seed=spec.seed,
        deterministic=spec.deterministic,
        threads=spec.threads,
        placement=trainer_pb2.Placement(**dataclasses.asdict(spec.placement)),
        deadline_seconds=spec.deadline_seconds,
    )
    if isinstance(spec.stage, PipelineSpec):
        for name, stage in spec.stage.stages:
            _write(stage, getattr(message.pipeline.stages.add(name=name), kind_of(stage)))
    else:
        _write(spec.stage, getattr(message, kind_of(spec.stage)))
    return message


def read_spec(store: ObjectStore, run_id: str) -> RunSpec:
    """Raises NotFound."""
    try:
        return from_json(store.get(attempts.spec_key(run_id)))
    except ObjectNotFound:
        raise NotFound("run", run_id) from None


def write_spec(store: ObjectStore, run_id: str, spec: RunSpec) -> None:
    store.put(attempts.spec_key(run_id), to_json(spec).encode())


def to_json(spec: RunSpec) -> str:
    return json_format.MessageToJson(encode(spec))


def from_json(text: str | bytes) -> RunSpec:
    return decode(json_format.Parse(text, trainer_pb2.RunSpec()))


def _placement(message: trainer_pb2.Placement) -> Placement:
    """One process per GPU, unless somebody said otherwise."""
    return Placement(
        nodes=message.nodes or 1,
        processes_per_node=message.processes_per_node or message.gpus_per_node or 1,
        gpus_per_node=message.gpus_per_node,
        cpu=message.cpu,
        memory=message.memory,
        node_selector=dict(message.node_selector),
        tolerations=tuple(Toleration(t.key, t.value, t.effect) for t in message.tolerations),
        priority_class=message.priority_class,
        labels=dict(message.labels),
    )


def _stage(message: trainer_pb2.RunSpec | trainer_pb2.PipelineStage, path: str) -> StageSpec | PipelineSpec:
    kind = message.WhichOneof("stage")
    if kind is None:
        kinds = [field.name for field in message.DESCRIPTOR.oneofs_by_name["stage"].fields]
        raise InvalidInput(Problem(f"{path}.stage", "nothing", f"one of {', '.join(kinds)}"))
    if kind == "pipeline":
        assert isinstance(message, trainer_pb2.RunSpec)
        stages = enumerate(message.pipeline.stages)
        return PipelineSpec(tuple((s.name, _stage(s, f"{path}.pipeline.stages[{i}]")) for i, s in stages))  # type: ignore[misc]
    return _fill(getattr(message, kind), KINDS[kind])


def _fill(message: Message, cls: type, default: Any = None) -> Any:
    """The dataclass of a message: unset fields take the value of `default`, else of the class."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        fallback = getattr(default, field.name) if default is not None else _default(field)
        values[field.name] = _value(message, message.DESCRIPTOR.fields_by_name[field.name], fallback)
    return cls(**values)


def _default(field: dataclasses.Field) -> Any:
    return "" if field.default is dataclasses.MISSING else field.default


def _value(message: Message, field: Any, fallback: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type:
        updates = _fill(value, type(fallback), fallback)
        return _within_batch(value, updates) if isinstance(updates, Optimization) else updates
    unset = not message.HasField(field.name) if field.has_presence else not value
    if unset:
        return fallback
    if isinstance(fallback, Enum):
        return _missing_eos(field.name, value)
    # A float of the wire is 32 bits wide: 0.05 arrives as 0.05000000074505806. People meant the shorter one.
    return float(str(np.float32(value))) if field.type == FieldDescriptor.TYPE_FLOAT else value


def _within_batch(message: Message, optimization: Optimization) -> Optimization:
    """A default is no reason to refuse a batch that is smaller than it."""
    if message.micro_batch_size:  # type: ignore[attr-defined]
        return optimization
    smaller = min(optimization.micro_batch_size, optimization.batch_size)
    return dataclasses.replace(optimization, micro_batch_size=smaller)


def _missing_eos(field: str, value: int) -> MissingEos:
    if value not in MISSING_EOS:
        raise InvalidInput(Problem(field, str(value), f"one of {', '.join(MISSING_EOS.values())}"))
    return MISSING_EOS[value]


def _write(values: Any, message: Message) -> None:
    """The message of a dataclass."""
    message.SetInParent()
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if dataclasses.is_dataclass(value):
            _write(value, getattr(message, field.name))
        elif isinstance(value, MissingEos):
            setattr(message, field.name, {v: k for k, v in MISSING_EOS.items()}[value])
        else:
            setattr(message, field.name, value)
