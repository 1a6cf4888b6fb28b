"""One service as a process of this machine."""

import time
from pathlib import Path

import pytest

from services.local.process import NOBODY, ServiceProcess


def test_what_a_shell_has_for_services_elsewhere_is_nothing_to_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without tokens and TLS, whatever this process would show to a cluster."""
    for name in NOBODY:
        monkeypatch.setenv(name, "/nonexistent")
    process = ServiceProcess("trainer", ["--storage", str(tmp_path / "storage")], 0, 0, tmp_path / "trainer.log")
    process.start()
    try:
        process.wait_until_healthy(time.monotonic() + 120)
    finally:
        process.stop(10)
    assert "Error" not in process.log.read_text()


def test_all_that_says_who_a_process_is_is_left_out() -> None:
    expected = {"RLHF_TOKEN", "RLHF_TOKEN_FILE", "RLHF_CA", "RLHF_CERT", "RLHF_KEY", "RLHF_TOKENS"}
    assert set(NOBODY) == {*expected, "RLHF_ALLOW_PLAINTEXT_TOKEN"}
