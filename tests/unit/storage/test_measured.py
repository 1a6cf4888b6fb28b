"""Operations, bytes and errors of storage as metrics."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.storage import open_store
from services.storage.local_folder import LocalFolder
from services.storage.measured import MeasuredStore
from services.storage.object_store import ObjectNotFound, ObjectStore, StorageUnavailable


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"rlhf_storage_{name}", labels) or 0.0


def test_operations_and_bytes_are_counted(tmp_path: Path) -> None:
    store: ObjectStore = open_store(str(tmp_path / "store"))
    names = ("put", "get", "list")
    before = [value("operation_seconds_count", operation=name) for name in names]
    written, read = value("bytes_total", direction="written"), value("bytes_total", direction="read")
    store.put("a/b", b"12345")
    assert store.get("a/b") == b"12345"
    store.get_file("a/b", tmp_path / "copy")
    assert [info.key for info in store.list()] == ["a/b"]
    after = [value("operation_seconds_count", operation=name) for name in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]
    assert value("bytes_total", direction="written") - written == 5
    assert value("bytes_total", direction="read") - read == 10


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    before = value("errors_total", operation="get", error="other")
    with pytest.raises(ObjectNotFound):
        open_store(str(tmp_path)).get("nothing")
    assert value("errors_total", operation="get", error="other") == before


class Unavailable(LocalFolder):
    def put(self, key: str, data: bytes) -> None:
        raise StorageUnavailable("nobody there")


class FullDisk(LocalFolder):
    def put(self, key: str, data: bytes) -> None:
        raise OSError("no space left on device")


@pytest.mark.parametrize(("inner", "kind"), [(Unavailable, "unavailable"), (FullDisk, "other")])
def test_errors_are_counted_by_kind_and_passed_on(inner: type[LocalFolder], kind: str, tmp_path: Path) -> None:
    before = value("errors_total", operation="put", error=kind)
    with pytest.raises((StorageUnavailable, OSError)):
        MeasuredStore(inner(tmp_path)).put("a", b"")
    assert value("errors_total", operation="put", error=kind) == before + 1
