"""Folders published under an immutable prefix: the files first, `manifest.json` last.

Without a manifest there is nothing to see, so a reader has the whole folder or none of it, at whichever line the
writer died. A fetched folder is verified file by file.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services.runtime.errors import AlreadyExists, DataLoss, InvalidInput, NotFound, Problem
from services.storage.object_store import ObjectNotFound, ObjectStore, as_folder, check_key

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class PublishedFile:
    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    files: tuple[PublishedFile, ...]  # sorted by path
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: float = 0.0  # unix seconds

    @property
    def digest(self) -> str:
        """sha256 over the canonical JSON of the file list alone: equal digests mean equal bytes."""
        files = json.dumps([asdict(f) for f in self.files], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(files.encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        return sum(f.size for f in self.files)

    def to_json(self) -> bytes:
        return json.dumps({**asdict(self), "digest": self.digest}, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        fields = json.loads(data)
        digest = fields.pop("digest")
        files = tuple(PublishedFile(check_key(f["path"]), f["size"], f["sha256"]) for f in fields.pop("files"))
        manifest = cls(files, **fields)
        if manifest.digest != digest:
            raise DataLoss(f"a manifest's file list has the digest {manifest.digest}, not {digest} as it says")
        return manifest


def publish(store: ObjectStore, prefix: str, folder: Path, metadata: Mapping[str, Any]) -> Manifest:
    """Raises AlreadyExists where `prefix` holds anything, InvalidInput for an empty folder."""
    prefix = as_folder(prefix)
    files = _files_of(folder)
    if next(store.list(prefix), None):
        raise AlreadyExists(f"{prefix} is there already, and what is published never changes")
    manifest = Manifest(tuple(files), dict(metadata), time.time())
    for file in files:
        store.put_file(prefix + file.path, folder / file.path)
    store.put(prefix + MANIFEST, manifest.to_json())
    return manifest


def read_manifest(store: ObjectStore, prefix: str) -> Manifest | None:
    """None where nothing was published, or not to the end."""
    try:
        return Manifest.from_json(store.get(as_folder(prefix) + MANIFEST))
    except ObjectNotFound:
        return None


def fetch(store: ObjectStore, prefix: str, into: Path) -> Manifest:
    """Fills the new folder `into`, at once and verified.

    Raises NotFound without a manifest, DataLoss for a file with other bytes than were published, AlreadyExists where
    `into` is there.
    """
    manifest = read_manifest(store, prefix)
    if manifest is None:
        raise NotFound("published folder", prefix)
    download(store, prefix, manifest, into)
    return manifest


def download(store: ObjectStore, prefix: str, manifest: Manifest, into: Path) -> None:
    """What `fetch` does once the manifest is read."""
    if into.exists():
        raise AlreadyExists(f"{into} is there already")
    temporary = into.parent / f".{into.name}.{uuid.uuid4().hex}.tmp"
    try:
        for file in manifest.files:
            target = temporary / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            store.get_file(as_folder(prefix) + file.path, target)
        if changed := changed_file(temporary, manifest):
            raise DataLoss(f"{as_folder(prefix)}{changed} does not hold the bytes that were published")
        _move(temporary, into)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def changed_file(folder: Path, manifest: Manifest) -> str | None:
    """The first file of `folder` that is missing or has other bytes than the manifest says."""
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.size or sha256_of(path) != file.sha256:
            return file.path
    return None


def unpublish(store: ObjectStore, prefix: str) -> None:
    """The manifest goes first, so that readers see nothing rather than a part."""
    store.delete(as_folder(prefix) + MANIFEST)
    store.delete_prefix(prefix)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files_of(folder: Path) -> list[PublishedFile]:
    paths = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if not paths or MANIFEST in paths:
        given = "no files" if not paths else f"a file {MANIFEST}"
        raise InvalidInput(Problem("folder", given, f"files, none of them named {MANIFEST}"))
    return [PublishedFile(check_key(p), (folder / p).stat().st_size, sha256_of(folder / p)) for p in paths]


def _move(temporary: Path, into: Path) -> None:
    try:
        os.rename(temporary, into)
    except OSError as error:
        if into.exists():
            raise AlreadyExists(f"{into} is there already") from error
        raise
