"""The cache holds verified bytes, stays within its bound, and is shared by processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.storage.fetch_cache import FetchCache
from services.storage.local_folder import LocalFolder
from services.storage.models import ModelStore, Version


@pytest.fixture
def store(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path / "store")


def publish(models: ModelStore, tmp_path: Path, content: bytes) -> Version:
    (tmp_path / "folder").mkdir(exist_ok=True)
    (tmp_path / "folder" / "weights.bin").write_bytes(content)
    return models.publish("sft", tmp_path / "folder", attempt=1, step=1)


def folders(cache: Path) -> set[str]:
    return {p.name for p in cache.iterdir() if p.is_dir()}


def age(folder: Path, seconds: float) -> None:
    os.utime(folder, (time.time() - seconds,) * 2)


def test_a_second_fetch_reads_no_weights(store: LocalFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = ModelStore(store, tmp_path / "cache")
    version = publish(models, tmp_path, b"weights")
    fetched = models.fetch(version)
    monkeypatch.setattr(store, "get_file", lambda *_: pytest.fail("fetched again"))
    assert models.fetch(version) == fetched
    assert folders(tmp_path / "cache") == {version.digest}


def test_equal_bytes_are_held_once(store: LocalFolder, tmp_path: Path) -> None:
    models = ModelStore(store, tmp_path / "cache")
    first, second = (publish(models, tmp_path, b"weights") for _ in range(2))
    assert models.fetch(first) == models.fetch(second)


def test_a_cached_file_that_rotted_is_fetched_again(store: LocalFolder, tmp_path: Path) -> None:
    version = publish(ModelStore(store, tmp_path / "cache"), tmp_path, b"weights")
    fetched = ModelStore(store, tmp_path / "cache").fetch(version)
    (fetched / "weights.bin").write_bytes(b"w3ights")
    again = ModelStore(store, tmp_path / "cache").fetch(version)  # as a new process does
    assert (again / "weights.bin").read_bytes() == b"weights"


def test_the_least_recently_used_goes_first(store: LocalFolder, tmp_path: Path) -> None:
    models = ModelStore(store, tmp_path / "cache", cache_bytes=250)
    versions = [publish(models, tmp_path, bytes([i]) * 100) for i in range(3)]
    first, second = (models.fetch(v) for v in versions[:2])
    age(first, 300)
    age(second, 200)
    models.fetch(versions[0])  # used again, hence younger than the second
    models.fetch(versions[2])
    assert folders(tmp_path / "cache") == {versions[0].digest, versions[2].digest}


def test_what_was_just_asked_for_stays_whatever_the_bound(store: LocalFolder, tmp_path: Path) -> None:
    models = ModelStore(store, tmp_path / "cache", cache_bytes=1)
    fetched = [models.fetch(publish(models, tmp_path, bytes([i]) * 100)) for i in range(3)]
    assert all(path.is_dir() for path in fetched)


def test_30_versions_stay_within_the_bound(store: LocalFolder, tmp_path: Path) -> None:
    models = ModelStore(store, tmp_path / "cache", cache_bytes=1000)
    for i in range(30):
        age(models.fetch(publish(models, tmp_path, bytes([i]) * 100)), 300)
    assert len(folders(tmp_path / "cache")) <= 11  # ten, and the one just fetched


def test_what_a_dead_process_left_goes_once_it_is_old(store: LocalFolder, tmp_path: Path) -> None:
    for name, seconds in ((".dead.tmp", 48 * 3600), (".live.tmp", 600)):
        (tmp_path / "cache" / name).mkdir(parents=True)
        age(tmp_path / "cache" / name, seconds)
    models = ModelStore(store, tmp_path / "cache")
    version = publish(models, tmp_path, b"weights")
    models.fetch(version)
    assert folders(tmp_path / "cache") == {".live.tmp", version.digest}


def test_a_failed_fetch_leaves_nothing(store: LocalFolder, tmp_path: Path) -> None:
    models = ModelStore(store, tmp_path / "cache")
    version = publish(models, tmp_path, b"weights")
    store.delete(f"models/sft/versions/{version.version}/weights.bin")
    with pytest.raises(LookupError):
        models.fetch(version)
    assert folders(tmp_path / "cache") == set()


FETCH = """
import sys
from pathlib import Path
from services.storage import open_store
from services.storage.models import ModelStore
models = ModelStore(open_store(sys.argv[1]), Path(sys.argv[2]), cache_bytes=1)
versions = models.versions("sft")
for i in range(20):
    folder = models.fetch(versions[i % len(versions)])
    assert (folder / "weights.bin").stat().st_size == 2_000_000
"""


def test_processes_fetch_the_same_versions_at_once(store: LocalFolder, tmp_path: Path) -> None:
    models = ModelStore(store, tmp_path / "unused")
    versions = [publish(models, tmp_path, bytes([i]) * 2_000_000) for i in range(2)]
    command = [sys.executable, "-c", FETCH, str(tmp_path / "store"), str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [p.communicate(timeout=60)[1] for p in processes] == [""] * 3
    assert [p.returncode for p in processes] == [0] * 3
    assert folders(tmp_path / "cache") == {v.digest for v in versions}


def test_a_cache_makes_its_folder(tmp_path: Path) -> None:
    FetchCache(tmp_path / "deep" / "cache", 1)
    assert (tmp_path / "deep" / "cache").is_dir()
