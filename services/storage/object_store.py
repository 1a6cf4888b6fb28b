"""The small interface over object storage that everything else here stands on.

Keys are paths with "/" between parts. A prefix means a folder: "runs/1" holds "runs/1/a" and not "runs/10/a".
An object is whole or absent, whichever way its writer ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.runtime.errors import Conflict, InvalidInput, NotFound, NotReady, Problem

MAX_KEY_BYTES = 900  # S3 allows 1024, and the store's own prefix comes on top
MAX_PART_BYTES = 200  # file systems allow 255


@dataclass(frozen=True)
class ObjectInfo:
    key: str
    size: int
    modified: float  # unix seconds


class ObjectStore(Protocol):
    def put(self, key: str, data: bytes) -> None: ...

    def put_file(self, key: str, source: Path) -> None: ...

    def get(self, key: str) -> bytes:
        """Raises ObjectNotFound."""
        ...

    def get_file(self, key: str, target: Path) -> None:
        """Writes `target`, whose folder exists. Raises ObjectNotFound."""
        ...

    def exists(self, key: str) -> bool: ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object below the folder `prefix`, sorted by key."""
        ...

    def children(self, prefix: str = "") -> Iterator[str]:
        """Names of the folders right below the folder `prefix`, sorted; much cheaper than `list`."""
        ...

    def delete(self, key: str) -> None:
        """Says nothing when there is no such object."""
        ...

    def delete_prefix(self, prefix: str) -> None:
        """Everything below the folder `prefix`, which is not empty: a slip must not wipe the store."""
        ...


class ObjectNotFound(NotFound):
    def __init__(self, key: str) -> None:
        super().__init__("object", key)


class StorageUnavailable(NotReady):
    """Storage did not answer; it may later."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=2.0)


class StorageRefused(Conflict):
    """Storage answered no: a missing bucket, wrong credentials. Somebody has to change the settings."""


def check_key(key: str) -> str:
    """`key` itself. Raises InvalidInput for keys that could leave the store or mean two things."""
    parts = key.split("/")
    if not key.isprintable() or "\\" in key or parts[0] == ".tmp" or len(key.encode()) > MAX_KEY_BYTES:
        raise _bad_key(key)
    if any(part in ("", ".", "..") or len(part.encode()) > MAX_PART_BYTES for part in parts):
        raise _bad_key(key)
    return key


def as_folder(prefix: str) -> str:
    """`prefix` as "" or with exactly one "/" at its end."""
    return check_key(prefix.removesuffix("/")) + "/" if prefix else ""


def _bad_key(key: str) -> InvalidInput:
    given = repr(key[:200])
    return InvalidInput(Problem("key", given, 'printable parts joined by "/", none of them empty, "." or ".."'))
