"""Files that are read again when they change: tokens and certificates are renewed under a running process."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class Watched(Generic[T]):
    """What `read` makes of `files`, made anew once one of them has changed; safe to share between threads.

    A change that cannot be read, such as a file half written or gone, leaves the value as it was, and a warning in
    the log. The first reading raises what `read` raises.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[], T]) -> None:
        self._files, self._read = files, read
        self._lock = threading.Lock()
        self._seen = self._stamps()  # before reading: what changes meanwhile is read again
        self._value = read()

    def value(self) -> T:
        if (stamps := self._stamps()) != self._seen:
            with self._lock:
                self._renew(stamps)
        return self._value

    def _renew(self, stamps: list) -> None:
        if stamps == self._seen:
            return  # by another thread
        try:
            self._value = self._read()
        except (OSError, ValueError) as error:
            log.warning("%s changed, and what was read before stays in use: %s", _names(self._files), error)
        self._seen = stamps

    def _stamps(self) -> list:
        return [_stamp(file) for file in self._files]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Differs after a rewrite, and after a swap of the symbolic link that Kubernetes mounts a Secret by."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _names(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files))
