"""The objects of one kind as a cluster has them, kept up to date by a watch."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from kubernetes.client import ApiException
from kubernetes.watch import Watch
from urllib3.exceptions import HTTPError

from services.trainer.launchers.api_errors import explain

WATCH_SECONDS = 240  # then the server ends the watch and it goes on where it was
TIMEOUTS = (5.0, WATCH_SECONDS + 30.0)  # seconds to connect and between two bytes: a watch that hangs is noticed
RETRY_SECONDS, CLOSE_SECONDS = 1.0, 2.0
GONE = 410  # the server does not remember what happened since

log = logging.getLogger(__name__)


class Mirror:
    """A thread lists, then watches from there. `list_objects` is the client's method, all but its selector given."""

    def __init__(self, what: str, list_objects: Callable[..., Any], **selection: str) -> None:
        self.problem = f"the trainer has not looked at the {what} yet"  # why what is here may be old; empty: it is not
        self._what = what
        self._list_objects = list_objects
        self._selection = selection
        self._objects: dict[str, Any] = {}
        self._closed = threading.Event()
        self._watch = Watch()
        self._thread = threading.Thread(target=self._run, name=f"mirror of {what}", daemon=True)
        self._thread.start()

    def get(self, name: str) -> Any | None:
        return self._objects.get(name)

    def having(self, labels: dict[str, str]) -> list[Any]:
        """In order of their names."""
        found = [
            each for each in list(self._objects.values()) if labels.items() <= (each.metadata.labels or {}).items()
        ]
        return sorted(found, key=lambda each: each.metadata.name)

    def close(self) -> None:
        """A thread that hangs in a connection is left behind; it does nothing more."""
        self._closed.set()
        until = time.monotonic() + CLOSE_SECONDS
        while self._thread.is_alive() and time.monotonic() < until:
            self._watch.stop()  # again, since it may just have begun another one
            self._thread.join(0.05)

    def _run(self) -> None:
        version = ""
        while not self._closed.is_set():
            try:
                version = self._follow(version or self._list())
            except (ApiException, HTTPError, OSError) as error:
                version = ""
                self._note(error)

    def _note(self, error: Exception) -> None:
        if isinstance(error, ApiException) and error.status == GONE:
            return
        problem = f"the trainer cannot look at the {self._what}: {explain(error)}"
        if problem != self.problem and not self._closed.is_set():
            log.warning("%s", problem)
        self.problem = problem
        self._closed.wait(RETRY_SECONDS)

    def _list(self) -> str:
        """The version to watch from."""
        listed = self._list_objects(**self._selection, _request_timeout=TIMEOUTS)
        self._objects = {each.metadata.name: each for each in listed.items}
        self.problem = ""
        return listed.metadata.resource_version

    def _follow(self, version: str) -> str:
        """Until the server ends the watch; returns the version to go on from."""
        self._watch = Watch()
        events = self._watch.stream(
            self._list_objects,
            **self._selection,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=WATCH_SECONDS,
            _request_timeout=TIMEOUTS,
        )
        for event in events:
            self._apply(event)
            if self._closed.is_set():
                break
        return self._watch.resource_version or version

    def _apply(self, event: Any) -> None:
        if event["type"] == "DELETED":
            self._objects.pop(event["object"].metadata.name, None)
        elif event["type"] in ("ADDED", "MODIFIED"):
            self._objects[event["object"].metadata.name] = event["object"]
