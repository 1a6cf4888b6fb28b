"""A server in a process of its own: ports, health, reflection, metrics, and a stop that loses nothing."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.certificates import Authority
from tests.conftest import free_port

ECHO = Path(__file__).with_name("echo_server.py")
ROOT = Path(__file__).parents[3]
SERVICE = "test.Echo"
TOKENS = f"operator ops {'o' * 40}"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Server:
    """The process and what it said of its ports."""

    def __init__(self, *flags: str) -> None:
        command = [sys.executable, str(ECHO), "--storage", "unused", *flags]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        )
        assert self.process.stdout
        said = re.fullmatch(r"listening on (\S+:\d+) metrics (\S+:\d+)\n", self.process.stdout.readline())
        assert said, self.process.communicate()[1]
        self.address, self.metrics = said.groups()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        return self.process.wait(20)


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., tuple[Server, grpc.aio.Channel]]]:
    servers: list[Server] = []
    channels: list[grpc.aio.Channel] = []

    def begin(*flags: str) -> tuple[Server, grpc.aio.Channel]:
        servers.append(Server(*flags))
        channels.append(grpc.aio.insecure_channel(servers[-1].address))
        return servers[-1], channels[-1]

    yield begin
    for channel in channels:
        await channel.close()
    for server in servers:
        server.process.kill()
        server.process.communicate()


def echo(channel: grpc.aio.Channel, request: bytes):
    return channel.unary_unary(f"/{SERVICE}/Echo")(request, timeout=20)


async def last_of_stream(channel: grpc.aio.Channel, request: bytes) -> bytes:
    return [answer async for answer in channel.unary_stream(f"/{SERVICE}/Count")(request, timeout=20)][-1]


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read().decode()


async def health(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return (await health_pb2_grpc.HealthStub(channel).Check(request, timeout=5)).status


async def until_not_ready(channel: grpc.aio.Channel) -> None:
    request = health_pb2.HealthCheckRequest(service=SERVICE)
    async for answer in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=10):
        if answer.status == NOT_SERVING:
            return


async def test_every_admitted_call_is_answered_after_sigterm(start) -> None:
    server, channel = start()
    unary = [asyncio.ensure_future(echo(channel, b"3")) for _ in range(30)]
    streams = [asyncio.ensure_future(last_of_stream(channel, b"3")) for _ in range(10)]
    failing = [asyncio.ensure_future(echo(channel, b"3 conflict")) for _ in range(10)]
    await echo(channel, b"0.3")  # by now the others are inside
    server.terminate()
    await until_not_ready(channel)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await echo(channel, b"too late")
    answers = await asyncio.gather(*unary, *streams)
    errors = await asyncio.gather(*failing, return_exceptions=True)
    assert answers == [b"3"] * 40
    assert {e.code() for e in errors if isinstance(e, grpc.aio.AioRpcError)} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert len(errors) == 10
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    status = Status.FromString(dict(refused.value.trailing_metadata())["grpc-status-details-bin"])
    assert any(detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details)
    assert server.end() == 0


async def test_calls_that_race_with_the_stop_are_answered_or_refused(start) -> None:
    """Many short calls all the time: none may end in anything but an answer or UNAVAILABLE."""
    server, channel = start()
    outcomes: list[object] = []
    busy = asyncio.Event()

    async def call_until_refused() -> None:
        while True:
            try:
                outcomes.append(await echo(channel, b"0.01"))
                if len(outcomes) == 100:
                    busy.set()
            except grpc.aio.AioRpcError as error:
                outcomes.append(error.code())
                return

    callers = [asyncio.ensure_future(call_until_refused()) for _ in range(20)]
    await busy.wait()
    server.terminate()
    await asyncio.gather(*callers)
    assert set(outcomes) == {b"0.01", grpc.StatusCode.UNAVAILABLE}
    assert server.end() == 0


async def test_health_watchers_do_not_hold_up_the_stop(start) -> None:
    server, channel = start()
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
    assert (await watch.read()).status == SERVING
    server.terminate()
    assert (await watch.read()).status == NOT_SERVING
    assert await asyncio.to_thread(server.end) == 0


async def test_the_process_lives_and_is_not_ready_while_it_drains(start) -> None:
    server, channel = start()
    assert await health(channel, SERVICE) == await health(channel, "") == SERVING
    call = asyncio.ensure_future(echo(channel, b"1"))
    await echo(channel, b"0.1")
    server.terminate()
    await until_not_ready(channel)
    assert await health(channel, "") == SERVING
    assert await call == b"1"


async def test_the_drain_has_an_end(start) -> None:
    server, channel = start("--drain-seconds", "0.3")
    call = asyncio.ensure_future(echo(channel, b"60"))
    await echo(channel, b"0.1")
    server.terminate()
    assert await asyncio.to_thread(server.end) == 0
    with pytest.raises(grpc.aio.AioRpcError):
        await call


async def test_metrics_are_served_on_a_port_of_their_own(start) -> None:
    server, channel = start()
    await echo(channel, b"hello")
    text = await asyncio.to_thread(read, f"http://{server.metrics}/metrics")
    assert f'grpc_server_handled_total{{grpc_code="OK",grpc_method="Echo",grpc_service="{SERVICE}"}} 1.0' in text
    assert "process_resident_memory_bytes" in text


async def test_reflection_lists_the_services(start) -> None:
    _, channel = start()
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = [
        a async for a in reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]))
    ]
    names = {service.name for service in answer.list_services_response.service}
    assert names >= {SERVICE, "grpc.health.v1.Health"}


async def test_messages_up_to_the_limit_pass(start) -> None:
    server, _ = start("--max-message-mib", "8")
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(server.address, options) as channel:
        assert len(await echo(channel, b"x" * (7 << 20))) == 7 << 20
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await echo(channel, b"x" * (9 << 20))
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("flag", ["--port", "--metrics-port"])
async def test_a_taken_port_is_an_error_and_not_a_second_server(start, flag: str) -> None:
    server, _ = start()
    port = (server.address if flag == "--port" else server.metrics).split(":")[1]
    with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{port}"):
        start(flag, port)


def test_a_server_ends_with_the_parent_that_asked_for_it() -> None:
    server = Server("--stop-with-parent")
    server.process.communicate(timeout=20)  # closes stdin, as the kernel does when the parent is killed
    assert server.process.returncode == 0


def test_a_process_that_others_reach_does_not_start_without_tokens() -> None:
    with pytest.raises(AssertionError, match=r"tokens_file: got nothing for the host 0\.0\.0\.0"):
        Server("--host", "0.0.0.0")


async def test_with_tokens_it_starts_and_refuses_whoever_has_none(start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLHF_TOKENS", TOKENS)
    server, _ = start("--host", "0.0.0.0")
    async with grpc.aio.insecure_channel(server.address.replace("0.0.0.0", "127.0.0.1")) as channel:
        assert await health(channel, SERVICE) == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await echo(channel, b"hello")
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    server.terminate()
    _, log = await asyncio.to_thread(server.process.communicate, timeout=20)
    assert "tokens travel in plaintext" in log
    assert TOKENS.split()[-1] not in log


async def test_probes_that_speak_no_tls_reach_health_and_nothing_else(start, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RLHF_TOKENS", TOKENS)
    pair, port = Authority(tmp_path).issue("server"), free_port()
    server, _ = start("--tls-cert", str(pair.cert), "--tls-key", str(pair.key), "--health-port", str(port))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as probe:
        assert await health(probe, SERVICE) == await health(probe, "") == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await echo(probe, b"hello")
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
        server.terminate()
        await until_not_ready(probe)
    assert await asyncio.to_thread(server.end) == 0
