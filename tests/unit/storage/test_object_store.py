"""What holds for object storage of either kind."""

import os
import time
from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput
from services.storage import open_store
from services.storage.object_store import ObjectNotFound, ObjectStore


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_an_object_comes_back_as_it_went(store: ObjectStore, tmp_path: Path) -> None:
    store.put("a/b.bin", b"\x00\xff bytes")
    store.get_file("a/b.bin", tmp_path / "copy")
    assert store.get("a/b.bin") == (tmp_path / "copy").read_bytes() == b"\x00\xff bytes"


def test_an_empty_object_is_an_object(store: ObjectStore, tmp_path: Path) -> None:
    store.put("empty", b"")
    store.get_file("empty", tmp_path / "copy")
    assert store.exists("empty")
    assert store.get("empty") == (tmp_path / "copy").read_bytes() == b""


def test_the_second_put_wins(store: ObjectStore) -> None:
    store.put("status.json", b"a longer first one")
    store.put("status.json", b"second")
    assert store.get("status.json") == b"second"


def test_a_file_of_several_parts_comes_back(store: ObjectStore, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 35 + b"end"
    (tmp_path / "big").write_bytes(content)
    store.put_file("big", tmp_path / "big")
    store.get_file("big", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content


@pytest.mark.parametrize("read", ["get", "get_file"])
def test_a_missing_object_is_named(store: ObjectStore, tmp_path: Path, read: str) -> None:
    store.put("runs/1/a", b"")
    more = [tmp_path / "copy"] if read == "get_file" else []
    with pytest.raises(ObjectNotFound, match="runs/1/b"):
        getattr(store, read)("runs/1/b", *more)
    assert not store.exists("runs/1/b")
    assert not store.exists("runs/1")  # a folder is not an object


def test_list_takes_a_prefix_as_a_folder(store: ObjectStore) -> None:
    for key in ("runs/1/a", "runs/1/deep/b", "runs/10/a", "other"):
        store.put(key, b"x")
    assert keys(store, "runs/1") == keys(store, "runs/1/") == ["runs/1/a", "runs/1/deep/b"]
    assert keys(store) == ["other", "runs/1/a", "runs/1/deep/b", "runs/10/a"]
    assert keys(store, "nothing") == []


def test_list_tells_size_and_age(store: ObjectStore) -> None:
    store.put("a", b"12345")
    (info,) = store.list()
    assert info.size == 5
    assert abs(info.modified - time.time()) < 60


def test_children_are_the_folders_right_below(store: ObjectStore) -> None:
    for key in ("models/b/1/x", "models/a/2/x", "models/file"):
        store.put(key, b"x")
    assert list(store.children("models")) == ["a", "b"]
    assert list(store.children()) == ["models"]
    assert list(store.children("none")) == []


def test_deleted_objects_are_gone_and_their_folders_too(store: ObjectStore) -> None:
    store.put("runs/1/a", b"x")
    store.put("runs/2/a", b"x")
    store.delete("runs/1/a")
    store.delete("runs/1/a")  # twice does no harm
    assert list(store.children("runs")) == ["2"]


def test_delete_prefix_leaves_the_neighbours(store: ObjectStore) -> None:
    for key in ("runs/1/a", "runs/1/deep/b", "runs/10/a"):
        store.put(key, b"x")
    store.delete_prefix("runs/1")
    assert keys(store) == ["runs/10/a"]
    with pytest.raises(InvalidInput):
        store.delete_prefix("")
    assert keys(store) == ["runs/10/a"]


BAD_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/../b",
    "a/./b",
    "..",
    "a\\b",
    "a\nb",
    "a\x00",
    "\udc80",
    ".tmp/a",
    "x" * 250,
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_could_leave_the_store_are_refused(store: ObjectStore, tmp_path: Path, key: str) -> None:
    (tmp_path / "source").write_text("x")
    for act in (
        lambda: store.put(key, b"x"),
        lambda: store.put_file(key, tmp_path / "source"),
        lambda: store.get(key),
        lambda: store.get_file(key, tmp_path / "target"),
        lambda: store.exists(key),
        lambda: store.delete(key),
        lambda: store.delete_prefix(key + "/b"),
        lambda: keys(store, key + "/b"),
    ):
        with pytest.raises(InvalidInput, match="key"):
            act()
    assert keys(store) == []


def test_names_of_any_language_are_keys(store: ObjectStore) -> None:
    store.put("Größe/模型 1+1.json", b"x")
    assert keys(store, "Größe") == ["Größe/模型 1+1.json"]
    assert store.get("Größe/模型 1+1.json") == b"x"


def test_two_stores_of_one_place_see_the_same(storage_url: str) -> None:
    open_store(storage_url).put("a", b"x")
    assert open_store(storage_url).get("a") == b"x"
