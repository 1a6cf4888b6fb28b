from collections.abc import Iterator
from pathlib import Path

import pytest

from services.storage.location import open_store
from services.trainer.launchers.local import LocalLauncher, WorkerSettings
from services.trainer.records import read_records
from tests.unit.trainer.control_planes import stock


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With storage that holds models and datasets to name in specs. No worker survives the test."""
    stock(tmp_path)
    yield tmp_path
    launcher = LocalLauncher(WorkerSettings("", "", "", "", "", tmp_path))
    for record in read_records(open_store(str(tmp_path / "store"))):
        if record.launch and record.launch["launcher"] in launcher.kinds:
            launcher.stop(record.launch, grace_seconds=0)
