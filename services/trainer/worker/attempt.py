"""The attempt that this process works on: fencing, heartbeat, and the metrics of its steps."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from services.runtime.errors import RetryLater
from services.trainer import attempts
from services.trainer.attempts import Attempt, Status, Step

HEARTBEAT_SECONDS = 5.0
FLUSH_SECONDS = 2.0  # how long a step's metrics may wait for storage
DRAIN_SECONDS = 2.0  # at the end, for steps that are not delivered yet
MAX_UNSENT = 1000  # steps; what does not fit is still in storage

Send = Callable[[Step | None], bool]  # None: a heartbeat; True comes back when the attempt has to stop

log = logging.getLogger(__name__)


class Stopped(Exception):
    """This attempt must change nothing more; the text says why."""


class LiveAttempt:
    """Within the `with` block a thread sends progress and heartbeats, so a slow control plane holds no step up.

    `check` is the fence: it is asked at every step's boundary and before everything that others can see.
    """

    def __init__(self, objects: Attempt, send: Send = lambda step: False) -> None:
        self.objects = objects
        self._send = send
        self._status = Status(attempts.RUNNING)
        self._status_lock = threading.Lock()
        self._unsent: queue.Queue[Step | None] = queue.Queue(MAX_UNSENT)
        self._unwritten: list[Step] = []
        self._written_at = time.monotonic()
        self._stop_reason = ""
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._ended = threading.Event()
        self._last_send = 0.0

    def __enter__(self) -> "LiveAttempt":
        self._write_status()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._last_send = time.monotonic() + DRAIN_SECONDS
        self._ended.set()
        self._enqueue(None)
        self._thread.join()

    def stop(self, reason: str) -> None:
        """From a signal handler or another thread: the next `check` raises."""
        self._stop_reason = self._stop_reason or reason

    def check(self) -> None:
        """Raises Stopped for an attempt that was superseded, cancelled or asked to stop."""
        record = attempts.read_json(self.objects.store, attempts.record_key(self.objects.run_id)) or {}
        if record.get("attempt", 0) > self.objects.number:
            self.stop(f"superseded by attempt {record['attempt']}")
        elif record.get("state") == "cancelled":
            self.stop("the run was cancelled")
        if self._stop_reason:
            raise Stopped(self._stop_reason)

    def report(self, step: Step) -> None:
        """To whoever watches now, and within `FLUSH_SECONDS` to storage for keeps."""
        if self._unwritten and self._unwritten[-1].stage != step.stage:
            self.flush()
        self._unwritten.append(step)
        self._change_status(stage=step.stage, step=step.step, total_steps=step.total_steps)
        self._enqueue(step)
        if time.monotonic() - self._written_at > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._unwritten:
            self.objects.write_steps(self._unwritten)
        self._unwritten, self._written_at = [], time.monotonic()

    def finish(self, state: str, error: str = "") -> None:
        """The last word: succeeded, failed or stopped."""
        self.flush()
        self._change_status(state=state, error=error)
        self._write_status()

    def _enqueue(self, step: Step | None) -> None:
        try:
            self._unsent.put_nowait(step)
        except queue.Full:
            log.warning("the control plane does not keep up; a step goes to storage only")

    def _beat(self) -> None:
        written = time.monotonic()
        while not self._ended.is_set() or (not self._unsent.empty() and time.monotonic() < self._last_send):
            if self._send(self._next_unsent()):
                self.stop("the control plane asked for it")
            if time.monotonic() - written > HEARTBEAT_SECONDS and not self._ended.is_set():
                self._write_status()
                written = time.monotonic()

    def _next_unsent(self) -> Step | None:
        try:
            return self._unsent.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            return None

    def _change_status(self, **changes: Any) -> None:
        with self._status_lock:
            self._status = replace(self._status, **changes)

    def _write_status(self) -> None:
        """A heartbeat that was under way must not overwrite the last word, hence the lock."""
        with self._status_lock:
            try:
                self.objects.write_status(replace(self._status, heartbeat=time.time()))
            except RetryLater as error:  # a heartbeat missed is no reason to lose the work
                log.warning("status not written: %s", error)


class FollowedAttempt(LiveAttempt):
    """On a rank that leaves all but its failure to rank 0."""

    def __init__(self, objects: Attempt, leave_word: Callable[[str], None]) -> None:
        super().__init__(objects)
        self._leave_word = leave_word

    def finish(self, state: str, error: str = "") -> None:
        if state == attempts.FAILED:
            self._leave_word(error)
