"""What tests of several packages share, and that no test is left out where all tools are there."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

os.environ["RLHF_CONFIG"] = os.devnull  # what the user of this machine has configured is nothing to tests


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Generator[None, Any, pytest.TestReport]:
    """REQUIRE_TOOLS=1 makes a skip a failure: whoever sets it has installed what skips name, where a package has it."""
    report = yield
    required = os.environ.get("REQUIRE_TOOLS") == "1" and item.get_closest_marker("beyond_packages") is None
    if required and report.skipped and not hasattr(report, "wasxfail"):
        _, _, reason = report.longrepr
        report.outcome, report.longrepr = "failed", f"REQUIRE_TOOLS=1 allows no skip; {reason}"
    return report


@dataclass(frozen=True)
class S3Server:
    address: str
    access_key: str
    secret_key: str

    def make_bucket(self) -> str:
        """The URL that opens it, for whoever has the credentials in the environment."""
        bucket = f"bucket-{uuid.uuid4().hex[:8]}"
        client = Minio(self.address, self.access_key, self.secret_key, secure=False, region="us-east-1")
        client.make_bucket(bucket)
        return f"s3://{bucket}?endpoint=http://{self.address}"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server on a port of its own."""
    server = S3Server(f"127.0.0.1:{free_port()}", "test-key", "test-secret-value")
    process = start_rclone(server, tmp_path_factory.mktemp("s3"))
    try:
        wait_until(lambda: accepts(server.address), seconds=20)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def start_rclone(server: S3Server, folder: Path) -> subprocess.Popen:
    rclone = Path(sys.executable).with_name("rclone")
    keys = f"{server.access_key},{server.secret_key}"
    command = [rclone, "serve", "s3", "--addr", server.address, "--auth-key", keys, folder]
    with (folder.parent / "rclone.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new, empty bucket; the credentials are in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    return s3_server.make_bucket()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def accepts(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(0.05)
