"""Publishing is all or nothing, and what is fetched is what was published."""

import inspect
import json
import shutil
import sys
from pathlib import Path

import pytest

from services.runtime.errors import AlreadyExists, DataLoss, InvalidInput, NotFound
from services.storage import published
from services.storage.object_store import ObjectNotFound, ObjectStore
from services.storage.published import fetch, publish, read_manifest, unpublish


class Died(BaseException):
    """Nothing in the code under test can catch a death."""


def die_at(line: int, function) -> object:
    """A trace function that ends the writer as it reaches `line` of `function`."""

    def trace(frame, event, _):
        if frame.f_code is not function.__code__:
            return None
        if event == "line" and frame.f_lineno == line:
            raise Died
        return trace

    return trace


def dies(line: int, store: ObjectStore, folder: Path) -> bool:
    """Publishes below versions/<line>; False for a line that this writer never comes to."""
    sys.settrace(die_at(line, publish))
    try:
        publish(store, f"versions/{line}", folder, {})
    except Died:
        return True
    finally:
        sys.settrace(None)
    return False


def lines_of(function) -> list[int]:
    return sorted({line for *_, line in function.__code__.co_lines() if line} - {function.__code__.co_firstlineno})


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_fetched_folder_equals_the_published_one(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    manifest = publish(store, "models/a", folder, {"step": 3})
    assert fetch(store, "models/a", tmp_path / "copy") == manifest == read_manifest(store, "models/a/")
    assert contents(tmp_path / "copy") == contents(folder)
    assert manifest.metadata == {"step": 3}
    assert manifest.size_bytes == 8 + 256 * 64
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".tmp")] == []


def test_a_writer_that_dies_at_any_line_leaves_nothing_to_see(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    deaths = {line for line in lines_of(publish) if dies(line, store, folder)}
    assert len(deaths) >= 8
    for line in deaths - {lines_of(publish)[-1]}:  # at `return` the last write is done
        assert read_manifest(store, f"versions/{line}") is None
        with pytest.raises(NotFound):
            fetch(store, f"versions/{line}", tmp_path / "copy")
    assert len(inspect.getsource(publish).splitlines()) < 20  # all of it is in the one function traced here


@pytest.mark.parametrize("writes", range(4))
def test_a_writer_that_dies_between_two_objects_leaves_nothing_to_see(
    store: ObjectStore, folder: Path, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def dying(write):
        def act(key, content):
            if len(done) == writes:
                raise Died
            done.append(key)
            write(key, content)

        return act

    monkeypatch.setattr(store, "put", dying(store.put))
    monkeypatch.setattr(store, "put_file", dying(store.put_file))
    with pytest.raises(Died):
        publish(store, "versions/1", folder, {})
    assert len(list(store.list("versions"))) == writes
    assert read_manifest(store, "versions/1") is None


def test_what_is_published_never_changes(store: ObjectStore, folder: Path) -> None:
    first = publish(store, "versions/1", folder, {})
    with pytest.raises(AlreadyExists, match="versions/1"):
        publish(store, "versions/1", folder, {})
    store.put("versions/2/leftover", b"of a writer that died")
    with pytest.raises(AlreadyExists, match="versions/2"):
        publish(store, "versions/2", folder, {})
    assert read_manifest(store, "versions/1") == first


@pytest.mark.parametrize("damage", [b"", b'{"a": 2}', b'{"a": 1} '], ids=["cut", "other", "longer"])
def test_a_corrupt_file_is_found_and_nothing_is_left(
    store: ObjectStore, folder: Path, tmp_path: Path, damage: bytes
) -> None:
    publish(store, "versions/1", folder, {})
    store.put("versions/1/config.json", damage)
    with pytest.raises(DataLoss, match=r"versions/1/config\.json"):
        fetch(store, "versions/1", tmp_path / "target" / "copy")
    assert list((tmp_path / "target").iterdir()) == []


def test_a_file_that_is_gone_is_named(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    publish(store, "versions/1", folder, {})
    store.delete("versions/1/deep/weights.bin")
    with pytest.raises(ObjectNotFound, match=r"deep/weights\.bin"):
        fetch(store, "versions/1", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_equal_bytes_have_equal_digests_and_unequal_ones_do_not(store: ObjectStore, folder: Path) -> None:
    first = publish(store, "versions/1", folder, {"step": 1})
    again = publish(store, "versions/2", folder, {"step": 2})
    (folder / "config.json").write_text('{"a": 2}')  # as many bytes as before
    other = publish(store, "versions/3", folder, {"step": 1})
    (folder / "config.json").write_text('{"a": 1}')
    (folder / "config.json").rename(folder / "renamed.json")
    renamed = publish(store, "versions/4", folder, {"step": 1})
    assert first.digest == again.digest
    assert len({first.digest, other.digest, renamed.digest}) == 3


def test_a_manifest_whose_digest_is_not_its_own_is_refused(store: ObjectStore, folder: Path) -> None:
    publish(store, "versions/1", folder, {})
    manifest = json.loads(store.get("versions/1/manifest.json"))
    manifest["files"][0]["sha256"] = "0" * 64
    store.put("versions/1/manifest.json", json.dumps(manifest).encode())
    with pytest.raises(DataLoss, match="digest"):
        read_manifest(store, "versions/1")


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_manifest_cannot_write_outside_its_folder(store: ObjectStore, tmp_path: Path, path: str) -> None:
    evil = published.Manifest((published.PublishedFile(path, 1, "0" * 64),))
    store.put("versions/1/manifest.json", evil.to_json())
    with pytest.raises(InvalidInput, match="key"):
        fetch(store, "versions/1", tmp_path / "in" / "copy")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("files", [[], ["manifest.json", "a"]], ids=["empty", "a manifest of its own"])
def test_a_folder_that_cannot_be_published(store: ObjectStore, tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in files:
        (tmp_path / "in" / name).touch()
    with pytest.raises(InvalidInput, match="folder"):
        publish(store, "versions/1", tmp_path / "in", {})


def test_fetch_does_not_touch_a_folder_that_is_there(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    publish(store, "versions/1", folder, {})
    (tmp_path / "mine").mkdir()
    with pytest.raises(AlreadyExists):
        fetch(store, "versions/1", tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_unpublish_takes_the_manifest_first(store: ObjectStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(store, "versions/1", folder, {})
    monkeypatch.setattr(store, "delete_prefix", lambda prefix: (_ for _ in ()).throw(Died))
    with pytest.raises(Died):
        unpublish(store, "versions/1")
    assert read_manifest(store, "versions/1") is None
    monkeypatch.undo()


def test_a_source_that_changed_while_it_was_published_is_found(
    store: ObjectStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file = store.put_file

    def change_then_put(key: str, source: Path) -> None:
        shutil.copyfile(folder / "deep" / "weights.bin", folder / "config.json")
        put_file(key, source)

    monkeypatch.setattr(store, "put_file", change_then_put)
    publish(store, "versions/1", folder, {})
    with pytest.raises(DataLoss):
        fetch(store, "versions/1", tmp_path / "copy")
