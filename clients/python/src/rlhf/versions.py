"""Model versions: one set of weights each, under a name."""

from dataclasses import dataclass

from rlhf.v1 import types_pb2


@dataclass(frozen=True)
class ModelVersion:
    """Equal digests mean equal bytes."""

    model: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"


ModelName = str | ModelVersion
"""A version, "name@version", "name" for its newest version, or an alias such as "policy/default"."""


def version_from(message: types_pb2.ModelVersion) -> ModelVersion:
    return ModelVersion(message.model, message.version, message.digest)
