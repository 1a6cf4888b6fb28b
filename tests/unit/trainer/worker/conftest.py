from pathlib import Path

import pytest
import torch
from transformers.utils import logging

from tests.unit.trainer.worker.small_world import SmallWorld


@pytest.fixture(scope="session", autouse=True)
def _one_quiet_thread() -> None:
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    logging.set_verbosity_error()


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return SmallWorld(tmp_path)
