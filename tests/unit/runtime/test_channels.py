"""Retries against a real server: only where they help, when the server says, within the deadline."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_status import rpc_status
from rlhf.credentials import Credentials

from services.runtime.channels import RemoteError, call, open_channel, own_credentials
from services.runtime.errors import Conflict, InvalidInput, NotReady, Overloaded, Problem, ServiceError, to_status
from tests.certificates import Authority

Method = Callable[..., bytes]


class Flaky:
    """A server whose one method fails with each of `failures` in turn and then answers."""

    def __init__(self, port: int = 0) -> None:
        self.failures: list[ServiceError] = []
        self.calls: list[float] = []
        self.server = grpc.server(ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(self.answer)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Flaky", {"Call": handler}),))
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls.append(time.monotonic())
        if self.failures:
            context.abort_with_status(rpc_status.to_status(to_status(self.failures.pop(0))))
        return request


@pytest.fixture
def flaky() -> Iterator[Flaky]:
    flaky = Flaky()
    yield flaky
    flaky.server.stop(None).wait()


@pytest.fixture
def method(flaky: Flaky) -> Iterator[Method]:
    with open_channel(f"127.0.0.1:{flaky.port}") as channel:
        yield channel.unary_unary("/test.Flaky/Call")


def test_a_refusal_that_may_pass_is_tried_again(flaky: Flaky, method: Method) -> None:
    flaky.failures = [NotReady("loading", 0.01), Overloaded("full", 0.01)]
    assert call(method, b"hello", timeout=10) == b"hello"
    assert len(flaky.calls) == 3


def test_the_server_says_when(flaky: Flaky, method: Method) -> None:
    flaky.failures = [Overloaded("full", retry_after=0.6)]
    call(method, b"hello", timeout=10)
    first, second = flaky.calls
    assert second - first >= 0.6


@pytest.mark.parametrize("failure", [InvalidInput(Problem("a", "1", "2")), Conflict("it has ended")])
def test_what_cannot_pass_is_not_tried_again(flaky: Flaky, method: Method, failure: ServiceError) -> None:
    flaky.failures = [failure]
    with pytest.raises(RemoteError, match=f"{failure.code.name}: {failure.message}") as error:
        call(method, b"hello", timeout=10)
    assert error.value.code == failure.code
    assert len(flaky.calls) == 1


def test_calls_that_may_not_be_done_twice_are_done_once(flaky: Flaky, method: Method) -> None:
    flaky.failures = [NotReady("loading", 0.01)]
    with pytest.raises(RemoteError, match="UNAVAILABLE: loading"):
        call(method, b"hello", timeout=10, retry=False)
    assert len(flaky.calls) == 1


def test_the_deadline_covers_all_attempts(flaky: Flaky, method: Method) -> None:
    flaky.failures = [Overloaded("full", 0.3)] * 100
    started = time.monotonic()
    with pytest.raises(RemoteError, match="RESOURCE_EXHAUSTED"):
        call(method, b"hello", timeout=1)
    assert time.monotonic() - started < 1.5
    assert 2 <= len(flaky.calls) <= 4


def test_no_answer_within_the_deadline(flaky: Flaky, method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(flaky, "failures", Slow(release))
    with pytest.raises(RemoteError) as error:
        call(method, b"hello", timeout=0.3)
    release.set()
    assert error.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


class Slow(list):
    """Takes its time to say that there is no failure."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__()
        self.release = release

    def __bool__(self) -> bool:
        self.release.wait(10)
        return False


def test_a_server_that_comes_back_is_found_within_seconds(flaky: Flaky, method: Method) -> None:
    assert call(method, b"hello", timeout=10) == b"hello"
    flaky.server.stop(None).wait()
    restarted: list[Flaky] = []
    timer = threading.Timer(1.0, lambda: restarted.append(Flaky(flaky.port)))
    timer.start()
    try:
        started = time.monotonic()
        assert call(method, b"again", timeout=20) == b"again"
        assert time.monotonic() - started < 10
    finally:
        timer.join()
        restarted[0].server.stop(None).wait()


def test_credentials_that_cannot_be_used_are_told_in_words() -> None:
    assert own_credentials({}) == Credentials()
    with pytest.raises(Conflict, match="credentials from the environment: key: got nothing"):
        own_credentials({"RLHF_CERT": "cert.pem"})
    with pytest.raises(Conflict, match="a token for policy:50051"):
        open_channel("policy:50051", own_credentials({"RLHF_TOKEN": "t"}))


def test_a_service_that_shows_a_wrong_certificate_is_not_one_to_wait_for(tmp_path: Path) -> None:
    """A worker waits half an hour for one that is unavailable."""
    pair = Authority(tmp_path, "theirs").issue("server")
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.cert.read_bytes())])
    )
    server.start()
    try:
        trusted = Credentials(ca=Authority(tmp_path, "ours").ca)
        with open_channel(f"127.0.0.1:{port}", trusted) as channel, pytest.raises(RemoteError) as error:
            call(channel.unary_unary("/a/b"), b"", timeout=1)
    finally:
        server.stop(None).wait()
    assert error.value.code == grpc.StatusCode.UNAUTHENTICATED
    assert "CERTIFICATE_VERIFY_FAILED" in error.value.message
