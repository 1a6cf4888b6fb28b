"""One control plane at a time on a cluster: whoever holds the Lease acts, and who loses it goes at once.

The times are client-go's. Expiry is judged by this process's own clock, from when it saw the last renewal: clocks of
two nodes need not agree. A control plane can be killed at any line, so going means ending the process.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from kubernetes.client import ApiClient, ApiException, CoordinationV1Api, V1Lease, V1LeaseSpec, V1ObjectMeta
from urllib3.exceptions import HTTPError

from services.trainer.launchers.api_errors import NOT_FOUND, explain
from services.trainer.launching import open_api, own_namespace
from services.trainer.settings import TrainerSettings
from services.trainer.standby import standby

DURATION_SECONDS = 15.0  # after its last renewal a lease is anybody's
RENEW_DEADLINE_SECONDS = 10.0  # the holder gives up before others take over
RETRY_SECONDS = 2.0
TIMEOUT_SECONDS = 5.0
LOST = 1  # exit code

log = logging.getLogger(__name__)


@asynccontextmanager
async def leadership(settings: TrainerSettings) -> AsyncIterator[None]:
    """Entered once this process is the only control plane; left, the next one need not wait."""
    if not settings.lease:
        yield
        return
    lease = Lease(open_api(), settings.namespace or own_namespace(), settings.lease, _give_up)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # nothing has begun; `serve` takes the signal over
    async with standby(settings):
        await asyncio.to_thread(lease.acquire)
    try:
        yield
    finally:
        await asyncio.to_thread(lease.release)


def _give_up() -> None:
    log.error("the lease is lost: another control plane may act now, so this one ends")
    os._exit(LOST)


class Lease:
    """`on_lost` is called from a thread, before anybody else can hold the lease."""

    def __init__(self, api: ApiClient, namespace: str, name: str, on_lost: Callable[[], None]) -> None:
        self._api = CoordinationV1Api(api)
        self._namespace, self._name = namespace, name
        self._on_lost = on_lost
        self.holder = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        self._seen: tuple[str, float] = ("", 0.0)  # the version last seen, and when on the monotonic clock
        self._renewed = 0.0  # on the monotonic clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def acquire(self) -> None:
        """Waits for as long as it takes; holds it from then on."""
        while not self._try():
            self._over.wait(RETRY_SECONDS)
        log.info("%s holds the lease %s", self.holder, self._name)
        self._thread.start()

    def release(self) -> None:
        """After which it is anybody's at once."""
        self._over.set()
        self._thread.join()
        self._attempt(lambda: self._write(self._read(), holder=""))

    def _keep(self) -> None:
        while not self._over.wait(RETRY_SECONDS):
            if not self._try() and time.monotonic() - self._renewed > RENEW_DEADLINE_SECONDS:
                self._on_lost()
                return

    def _try(self) -> bool:
        """Takes or renews it; False where another one holds it or nobody answers."""
        return self._attempt(self._take) or False

    def _take(self) -> bool:
        now = time.monotonic()
        lease = self._read()
        if lease and not self._is_free(lease):
            return False
        self._write(lease, self.holder)
        self._renewed = now
        return True

    def _is_free(self, lease: Any) -> bool:
        if lease.spec.holder_identity in (None, "", self.holder):
            return True
        now = time.monotonic()
        if lease.metadata.resource_version != self._seen[0]:
            self._seen = lease.metadata.resource_version, now
        return now - self._seen[1] > DURATION_SECONDS

    def _attempt(self, request: Callable[[], bool | None]) -> bool | None:
        try:
            return request()
        except (ApiException, HTTPError) as error:
            log.warning("the lease %s: %s", self._name, explain(error))
            return None

    def _read(self) -> Any | None:
        try:
            return self._api.read_namespaced_lease(self._name, self._namespace, _request_timeout=TIMEOUT_SECONDS)
        except ApiException as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def _write(self, lease: V1Lease | None, holder: str) -> None:
        """Of two that write at once, the API server refuses the one that read an older version."""
        now, old = _now(), lease.spec if lease else None
        acquired = old.acquire_time if old and old.holder_identity == holder else now
        spec = V1LeaseSpec(
            holder_identity=holder,
            lease_duration_seconds=round(DURATION_SECONDS),
            acquire_time=acquired,
            renew_time=now,
        )
        version = lease.metadata.resource_version if lease and lease.metadata else None
        body = V1Lease(metadata=V1ObjectMeta(name=self._name, resource_version=version), spec=spec)
        if lease:
            self._api.replace_namespaced_lease(self._name, self._namespace, body, _request_timeout=TIMEOUT_SECONDS)
        else:
            self._api.create_namespaced_lease(self._namespace, body, _request_timeout=TIMEOUT_SECONDS)


def _now() -> datetime:
    """Never at a whole second: the client would write no microseconds then, and the API server asks for them."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond or 1)
