"""The memory of this process and all its children together, at its highest."""

import threading
from types import TracebackType
from typing import Self

import psutil

EVERY_SECONDS = 1.0


class MemoryWatch:
    """Resident memory, summed; pages that processes share count once per process, so the sum errs upward."""

    def __init__(self) -> None:
        self.peak_mib = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        own = psutil.Process()
        while not self._stop.is_set():
            used = sum(_resident(process) for process in [own, *own.children(recursive=True)])
            self.peak_mib = max(self.peak_mib, used >> 20)
            self._stop.wait(EVERY_SECONDS)


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
