"""What workers print, kept in storage in chunks named by their first byte, so that logs outlive processes and pods."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from services.storage.object_store import ObjectNotFound, ObjectStore
from services.trainer.attempts import attempt_prefix

CHUNK_BYTES = 256 * 1024
MAX_LOG_BYTES = 16 * 1024 * 1024  # of an attempt; more is left out, and said so
FOLLOW_SECONDS = 0.3
TAIL_LINES = 8


class LogKeeper:
    """Ships one attempt's log to storage as it grows. `read(offset, limit)` gives what was printed."""

    def __init__(self, store: ObjectStore, run_id: str, attempt: int, read: Callable[[int, int], bytes]) -> None:
        self._store = store
        self._prefix = f"{attempt_prefix(run_id, attempt)}log/"
        self._read = read
        self._offset = max((first + size for first, size in _chunks(store, self._prefix)), default=0)

    def ship(self, last: bool = False) -> None:
        """Whole lines only, until the `last` time."""
        while self._offset < MAX_LOG_BYTES:
            data = self._read(self._offset, CHUNK_BYTES)
            whole = data if last or len(data) == CHUNK_BYTES else data[: data.rfind(b"\n") + 1]
            if not whole:
                return
            self._put(whole)
        if self._read(self._offset, 1) and self._offset == MAX_LOG_BYTES:
            self._put(b"\n... the rest of this log is left out: it is longer than 16 MiB\n")

    def _put(self, data: bytes) -> None:
        data = data[: max(MAX_LOG_BYTES - self._offset, 0)] or data
        self._store.put(f"{self._prefix}{self._offset:012d}.txt", data)
        self._offset += len(data)


def compact(store: ObjectStore, run_id: str, attempt: int) -> None:
    """One object instead of one per second. Readers that are half-way through find their bytes in either."""
    prefix = f"{attempt_prefix(run_id, attempt)}log/"
    chunks = _chunks(store, prefix)
    if len(chunks) < 2:
        return
    store.put(f"{prefix}{0:012d}.txt", read_log(store, run_id, attempt, 0))
    for first, _ in chunks[1:]:
        store.delete(f"{prefix}{first:012d}.txt")


def read_log(store: ObjectStore, run_id: str, attempt: int, offset: int) -> bytes:
    """From the byte `offset` to the end of what was shipped so far."""
    prefix = f"{attempt_prefix(run_id, attempt)}log/"
    found = b""
    for first, size in _chunks(store, prefix):
        position = offset + len(found)
        if first <= position < first + size:
            try:
                found += store.get(f"{prefix}{first:012d}.txt")[position - first :]
            except ObjectNotFound:
                break  # just compacted; the next read finds it
    return found


def tail(store: ObjectStore, run_id: str, attempt: int) -> str:
    """The last lines, for the reason of a failure."""
    lines = read_log(store, run_id, attempt, 0).decode(errors="replace").splitlines()
    return "\n".join(line for line in lines[-TAIL_LINES:] if line.strip())


@dataclass(frozen=True)
class LogText:
    text: str  # whole lines while the attempt runs
    attempt: int


async def stream(
    store: ObjectStore, run_id: str, attempt: Callable[[], int], ended: Callable[[], bool], follow: bool
) -> AsyncIterator[LogText]:
    """Of all attempts in order; `follow` waits for more until the run has ended, also for a worker not there yet."""
    current, offset = 1, 0
    while True:
        newest, over = attempt(), ended() or not follow
        data = await asyncio.to_thread(read_log, store, run_id, current, offset)
        offset += len(data)
        for piece in _pieces(data):
            yield LogText(piece.decode(errors="replace"), current)
        if data:
            continue
        if current < newest:
            current, offset = current + 1, 0
        elif over:
            return
        else:
            await asyncio.sleep(FOLLOW_SECONDS)


def _pieces(data: bytes) -> Iterator[bytes]:
    """Small enough for a message, cut at the ends of lines where there are any."""
    start = 0
    while start < len(data):
        end = min(start + CHUNK_BYTES, len(data))
        if end < len(data):
            end = data.rfind(b"\n", start, end) + 1 or end
        yield data[start:end]
        start = end


def _chunks(store: ObjectStore, prefix: str) -> list[tuple[int, int]]:
    """(first byte, size), in order."""
    return [(int(o.key.rsplit("/", 1)[1].removesuffix(".txt")), o.size) for o in store.list(prefix)]
