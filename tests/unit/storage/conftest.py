"""Every test that asks for `store` runs over both kinds of storage."""

from pathlib import Path

import pytest

from services.storage import open_store
from services.storage.object_store import ObjectStore


@pytest.fixture(params=["local", "s3"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("s3_url")


@pytest.fixture
def store(storage_url: str) -> ObjectStore:
    return open_store(storage_url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to publish, with a file in a sub-folder and an empty one."""
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text('{"a": 1}')
    (folder / "deep" / "weights.bin").write_bytes(bytes(range(256)) * 64)
    (folder / "empty.txt").touch()
    return folder
