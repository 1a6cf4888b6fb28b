import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

def test_passes():
    pass

def test_skips():
    pytest.skip("needs the tool prometheus")

@pytest.mark.skipif(True, reason="needs the tool kubectl")
def test_is_skipped():
    pass

@pytest.mark.beyond_packages
def test_skips_what_cannot_be_installed():
    pytest.skip("needs the tool kube-apiserver")

@pytest.mark.xfail
def test_fails_as_expected():
    assert False
"""


def run(folder: Path, require_tools: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_tools.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = beyond_packages: as in pyproject.toml\n")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(folder), "--import-mode=importlib"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(folder / "test_tools.py")],
        cwd=ROOT,
        env={**os.environ, "REQUIRE_TOOLS": require_tools},
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_all_tools_are_there_a_skip_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, "1")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in done.stdout  # a mark skips before the test is set up
    for tool in ("prometheus", "kubectl"):
        assert f"REQUIRE_TOOLS=1 allows no skip; Skipped: needs the tool {tool}" in done.stdout


def test_elsewhere_it_is_a_skip(tmp_path: Path) -> None:
    done = run(tmp_path, "")
    assert done.returncode == pytest.ExitCode.OK
    assert "1 passed, 3 skipped, 1 xfailed" in done.stdout
