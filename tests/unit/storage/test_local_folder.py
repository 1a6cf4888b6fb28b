"""What only a local folder has to promise: whole files, whatever happens while they are written."""

import os
import threading
from pathlib import Path

import pytest

from services.runtime.errors import Conflict
from services.storage.local_folder import LocalFolder


@pytest.fixture
def store(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "store")


def test_a_write_that_fails_leaves_the_old_object(
    store: LocalFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"old")

    def full_disk(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        store.put("a", b"new")
    assert store.get("a") == b"old"
    assert list((tmp_path / "store" / ".tmp").iterdir()) == []


def test_content_is_on_the_disk_before_the_name_is(store: LocalFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("rename"), replace(*paths)))
    store.put("a/b", b"x")
    assert order == ["fsync", "rename", "fsync"]  # the file, its name, the folder that holds the name


def test_what_a_dead_writer_left_is_not_listed(store: LocalFolder, tmp_path: Path) -> None:
    (tmp_path / "store" / ".tmp" / "half").write_bytes(b"x")
    assert list(store.list()) == []
    assert list(store.children()) == []


def test_a_key_is_not_also_a_folder(store: LocalFolder) -> None:
    store.put("a/b", b"x")
    for key in ("a", "a/b/c"):
        with pytest.raises(Conflict, match="folder"):
            store.put(key, b"x")
    assert [info.key for info in store.list()] == ["a/b"]


def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(
    store: LocalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting the last object of a folder removes the folder, which another thread is about to write into."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # to meet more often
    errors: list[BaseException] = []

    def churn(name: str) -> None:
        try:
            for _ in range(50):
                store.put(f"deep/er/{name}", b"x")
                store.delete(f"deep/er/{name}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(store.list()) == []
