"""An object store whose operations are counted and timed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime.errors import InvalidInput
from services.storage import metrics
from services.storage.object_store import ObjectInfo, ObjectNotFound, ObjectStore, StorageRefused, StorageUnavailable

_seconds, _bytes, _errors = metrics.OPERATIONS.on(), metrics.BYTES.on(), metrics.ERRORS.on()


OPERATION_NAMES = ("put", "put_file", "get", "get_file", "exists", "list", "children", "delete", "delete_prefix")
UNAVAILABLE, REFUSED, OTHER = "unavailable", "refused", "other"
for _operation in OPERATION_NAMES:
    for _kind_of_error in (UNAVAILABLE, REFUSED, OTHER):
        _errors.labels(_operation, _kind_of_error)  # from 0 on: the rate of a series begins with its second value


class MeasuredStore:
    """`inner` with metrics; what it raises passes through."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner

    def put(self, key: str, data: bytes) -> None:
        with _measured("put"):
            self._inner.put(key, data)
        _bytes.labels("written").inc(len(data))

    def put_file(self, key: str, source: Path) -> None:
        with _measured("put_file"):
            self._inner.put_file(key, source)
        _bytes.labels("written").inc(source.stat().st_size)

    def get(self, key: str) -> bytes:
        with _measured("get"):
            data = self._inner.get(key)
        _bytes.labels("read").inc(len(data))
        return data

    def get_file(self, key: str, target: Path) -> None:
        with _measured("get_file"):
            self._inner.get_file(key, target)
        _bytes.labels("read").inc(target.stat().st_size)

    def exists(self, key: str) -> bool:
        with _measured("exists"):
            return self._inner.exists(key)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Its time includes that of whoever reads the listing."""
        with _measured("list"):
            yield from self._inner.list(prefix)

    def children(self, prefix: str = "") -> Iterator[str]:
        with _measured("children"):
            yield from self._inner.children(prefix)

    def delete(self, key: str) -> None:
        with _measured("delete"):
            self._inner.delete(key)

    def delete_prefix(self, prefix: str) -> None:
        with _measured("delete_prefix"):
            self._inner.delete_prefix(prefix)


@contextmanager
def _measured(operation: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    except (ObjectNotFound, InvalidInput):
        raise  # an answer, and no fault of storage
    except Exception as error:
        _errors.labels(operation, _kind(error)).inc()
        raise
    _seconds.labels(operation).observe(time.perf_counter() - started)


def _kind(error: Exception) -> str:
    if isinstance(error, StorageUnavailable):
        return UNAVAILABLE
    return REFUSED if isinstance(error, StorageRefused) else OTHER
