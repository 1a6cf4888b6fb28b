"""What goes wrong with S3, told so that people know what to change."""

import logging
import socket
import time

import pytest

from services.runtime.errors import InvalidInput
from services.storage import open_store
from services.storage.object_store import StorageRefused, StorageUnavailable


def test_a_prefix_keeps_stores_of_one_bucket_apart(s3_url: str) -> None:
    a = open_store(s3_url.replace("?", "/team/a?"))
    b = open_store(s3_url.replace("?", "/team/b/?"))
    a.put("x/y", b"1")
    assert [info.key for info in a.list()] == ["x/y"]
    assert list(a.children()) == ["x"]
    assert list(b.list()) == []
    assert [info.key for info in open_store(s3_url).list()] == ["team/a/x/y"]


def test_a_missing_bucket_is_named(s3_url: str) -> None:
    with pytest.raises(StorageRefused, match=r"no bucket 'not-there'.*create it"):
        open_store("s3://not-there?" + s3_url.split("?")[1])


def test_wrong_credentials_are_told_without_the_secret(
    s3_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(StorageRefused, match="AWS_SECRET_ACCESS_KEY") as error:
        open_store(s3_url)
    assert "not-the-secret" not in str(error.value) + caplog.text


def test_unset_credentials_are_named(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    with pytest.raises(InvalidInput, match=r"AWS_ACCESS_KEY_ID.*AWS_SECRET_ACCESS_KEY"):
        open_store(s3_url)


@pytest.mark.usefixtures("s3_url")
def test_nobody_at_the_endpoint_is_told_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(StorageUnavailable, match="bucket-x") as error:
        open_store(f"s3://bucket-x?endpoint=http://127.0.0.1:{port}")
    assert time.monotonic() - started < 10
    assert error.value.retry_after > 0


@pytest.mark.usefixtures("s3_url")
@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("s3://b-x?endpoint=127.0.0.1:9000", r"endpoint=http\(s\)"),
        ("s3://b-x?endpoint=http://host/path", r"endpoint=http\(s\)"),
        ("s3:///prefix", "a bucket"),
        ("s3://b-x?endpiont=http://h&regoin=x", "'endpiont'.*'regoin'"),
        ("s3://b-x/../y?endpoint=http://127.0.0.1:1", "key"),
        ("https://host/bucket", "a folder, file:///folder or s3"),
        ("file://host/folder", "a folder, file:///folder or s3"),
        ("", "a folder, file:///folder or s3"),
    ],
)
def test_a_url_that_means_nothing_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        open_store(url)
