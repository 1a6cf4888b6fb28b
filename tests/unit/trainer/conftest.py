from pathlib import Path

import pytest

from tests.unit.trainer.control_planes import stock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With storage that holds models and datasets to name in specs."""
    stock(tmp_path)
    return tmp_path
