"""A client that shares no file system with the services."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from services.simulator.base_model import WEIGHTS
from services.storage.models import ModelStore
from tests.e2e import remote_client
from tests.e2e.small_road import first_rows
from tests.e2e.workplace import Workplace, workplace

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    tmp_path.chmod(0o700)
    with workplace(tmp_path) as work:
        yield work


@pytest.fixture
def home() -> Iterator[Path]:
    """Of the client, with what it brings. Not below pytest's own folder, which belongs to this user alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(WEIGHTS, folder / "base")
        first_rows("demonstrations", folder)
        if os.getuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, remote_client.NOBODY, remote_client.NOBODY)
        yield folder


def test_it_uploads_trains_and_downloads(work: Workplace, home: Path) -> None:
    arguments = [remote_client.__file__, json.dumps(work.services.addresses), str(work.folder)]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((home / "result.json").read_text())
    trained = ModelStore(work.store, work.folder / "models").resolve(result["model"])
    assert (trained.digest, str(trained)) == (result["digest"], result["answered_by"])
    assert AutoModelForCausalLM.from_pretrained(home / "trained").num_parameters() > 500_000
    weights = [folder / "model.safetensors" for folder in (home / "trained", home / "base")]
    assert weights[0].read_bytes() != weights[1].read_bytes()
    assert len((home / "home.jsonl").read_text().splitlines()) == 96
