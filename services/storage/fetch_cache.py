"""Fetched folders on the local disk, by digest, shared by all processes of a machine."""

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.runtime.errors import AlreadyExists
from services.storage.published import Manifest, changed_file

# Who asked for a folder has this long to load it before it may go.
IN_USE_SECONDS = 60.0
# A temporary folder this old belongs to a process that died.
LEFTOVER_SECONDS = 24 * 3600.0


class FetchCache:
    """Holds up to `max_bytes`; beyond that the least recently used goes, though nothing asked for within a minute."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._verified: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, manifest: Manifest, download: Callable[[Path], None]) -> Path:
        """The folder with the manifest's files, made by `download(folder)` where it is not there yet.

        Bytes are verified once per process, so what a power cut or another program did to the disk is found.
        """
        folder = self._folder / manifest.digest
        while not self._use(folder, manifest):
            with suppress(AlreadyExists):  # another process was first
                download(folder)
                self._verified.add(folder.name)
            os.utime(folder)
        self._evict()
        return folder

    def _use(self, folder: Path, manifest: Manifest) -> bool:
        with self._locked():
            if not folder.is_dir():
                return False
            os.utime(folder)
        if folder.name not in self._verified and changed_file(folder, manifest):
            self._remove(folder)
            return False
        self._verified.add(folder.name)
        return True

    def _evict(self) -> None:
        now = time.time()
        with self._locked():
            entries = sorted((p for p in self._folder.iterdir() if p.is_dir()), key=_used_at)
            sizes = {entry: _size(entry) for entry in entries}
            for entry in entries:
                leftover = entry.name.startswith(".")
                keep_seconds = LEFTOVER_SECONDS if leftover else IN_USE_SECONDS
                if now - _used_at(entry) > keep_seconds and (leftover or sum(sizes.values()) > self._max_bytes):
                    self._remove(entry)
                    del sizes[entry]

    def _remove(self, folder: Path) -> None:
        """Renamed first: nobody finds half a folder."""
        doomed = self._folder / f".{uuid.uuid4().hex}.tmp"
        with suppress(FileNotFoundError):
            folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        self._verified.discard(folder.name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Between processes: a folder is not removed between being found and being marked as used."""
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return float("inf")  # just renamed into place or removed by another process


def _size(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return 0
