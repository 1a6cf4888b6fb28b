"""What a pod prints, read as it comes in a thread of its own."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from services.trainer.launchers.api_errors import NOT_FOUND

RETRY_SECONDS = 1.0
UNREAD_BYTES = 4 << 20  # what is held for a reader; the stream waits when it is slower
PIECE_BYTES = 64 << 10
TIMEOUTS = (5.0, 300.0)  # seconds to connect and between two pieces; then the stream is taken up again

log = logging.getLogger(__name__)


class PodLog:
    """`open_stream` gives the log from its beginning. A stream that breaks is opened anew and what is known skipped.

    Bytes before the position of the last `read` are forgotten. The node keeps the newest 10 MiB of a log by default;
    of a worker that prints more, a trainer that restarts misses a part.
    """

    def __init__(self, open_stream: Callable[[], Any], ended: Callable[[], bool], offset: int) -> None:
        self._open_stream = open_stream
        self._ended = ended
        self._start = offset  # position of the first byte of `_unread`
        self._unread = bytearray()
        self._room = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pod log", daemon=True)
        self._thread.start()

    def read(self, offset: int, limit: int) -> bytes:
        with self._room:
            del self._unread[: max(offset - self._start, 0)]
            self._start = max(offset, self._start)
            self._room.notify()
            return bytes(self._unread[:limit])

    def finish(self, seconds: float) -> None:
        """The pod has ended: waits for the last of its log, for a bounded time."""
        self._thread.join(seconds)

    def close(self) -> None:
        with self._room:
            self._closed = True
            self._room.notify()

    def _run(self) -> None:
        while not self._closed:
            over = self._ended()  # asked first: what is read afterwards is then the whole log
            try:
                self._read_all()
            except ApiException as error:
                if error.status == NOT_FOUND:
                    return
            except (HTTPError, OSError) as error:
                log.info("the stream of a pod's log broke: %s", error)
                over = False
            if over:
                return
            threading.Event().wait(RETRY_SECONDS)

    def _read_all(self) -> None:
        known = self._start + len(self._unread)
        stream = self._open_stream()
        try:
            position = 0
            for piece in stream.stream(PIECE_BYTES):
                fresh = piece[max(known - position, 0) :]
                position += len(piece)
                if not self._keep(fresh):
                    return
        finally:
            stream.close()
            stream.release_conn()

    def _keep(self, piece: bytes) -> bool:
        with self._room:
            self._room.wait_for(lambda: self._closed or len(self._unread) < UNREAD_BYTES)
            self._unread += piece
            return not self._closed
