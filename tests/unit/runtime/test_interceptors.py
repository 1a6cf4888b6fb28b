"""What every call gets, whichever kind of method it calls."""

import asyncio
import re

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY

SERVICE = "test.Echo"


async def unary(channel: grpc.aio.Channel, request: bytes, seconds: float | None = 10) -> bytes:
    return await channel.unary_unary(f"/{SERVICE}/Echo")(request, timeout=seconds)


async def stream(channel: grpc.aio.Channel, request: bytes, seconds: float | None = 10) -> bytes:
    """The last of the answers."""
    answers = [a async for a in channel.unary_stream(f"/{SERVICE}/Count")(request, timeout=seconds)]
    assert answers[:3] == [b"0", b"1", b"2"]
    return answers[3]


async def client_stream(channel: grpc.aio.Channel, request: bytes, seconds: float | None = 10) -> bytes:
    return await channel.stream_unary(f"/{SERVICE}/Join")(iter([request]), timeout=seconds)


async def both_streams(channel: grpc.aio.Channel, request: bytes, seconds: float | None = 10) -> bytes:
    call = channel.stream_stream(f"/{SERVICE}/EchoAll")(iter([request]), timeout=seconds)
    (answer,) = [a async for a in call]
    return answer


KINDS = pytest.mark.parametrize("call", [unary, stream, client_stream, both_streams])
METHODS = {unary: "Echo", stream: "Count", client_stream: "Join", both_streams: "EchoAll"}


async def failure(awaitable) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await awaitable
    return error.value


def details(error: grpc.aio.AioRpcError) -> dict:
    """By type."""
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    kinds = (BadRequest, ErrorInfo, RetryInfo)
    return {kind: kind.FromString(d.value) for d in status.details for kind in kinds if d.Is(kind.DESCRIPTOR)}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@KINDS
async def test_an_answer_comes_through(start, call) -> None:
    _, channel = await start()
    assert await call(channel, b"hello") == b"hello"


@KINDS
async def test_errors_are_rich_statuses(start, call) -> None:
    _, channel = await start()
    error = await failure(call(channel, b"invalid"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "a.b: got 1, expected 2; c: got x, expected y"
    found = details(error)
    assert [v.field for v in found[BadRequest].field_violations] == ["a.b", "c"]
    assert found[ErrorInfo].reason == "InvalidInput"


@KINDS
async def test_overload_says_when_to_come_back(start, call) -> None:
    _, channel = await start()
    error = await failure(call(channel, b"overloaded"))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error)[RetryInfo].retry_delay.ToTimedelta().total_seconds() == 1.5


@KINDS
@pytest.mark.parametrize("defect", [b"defect", b"timeout"])
async def test_the_text_of_a_defect_does_not_leak(start, call, defect: bytes, caplog) -> None:
    _, channel = await start()
    error = await failure(call(channel, defect))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert "1234" not in str(error)
    assert "inside" not in str(error)
    error_id = re.search(r"internal error ([0-9a-f]{12});", error.details() or "")
    assert error_id
    assert error_id[1] in caplog.text


@KINDS
async def test_a_call_without_a_deadline_gets_one(start, call) -> None:
    _, channel = await start(deadline_seconds=0.2)
    error = await failure(asyncio.wait_for(call(channel, b"30", seconds=None), 10))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "0.2 s" in (error.details() or "")


async def test_a_call_with_a_deadline_keeps_it(start) -> None:
    _, channel = await start(deadline_seconds=0.2)
    assert await unary(channel, b"0.5", seconds=10) == b"0.5"
    assert 3 < float(await unary(channel, b"deadline", seconds=4)) < 4.5


@KINDS
@pytest.mark.parametrize(
    ("request_", "code"), [(b"hello", "OK"), (b"conflict", "FAILED_PRECONDITION"), (b"defect", "INTERNAL")]
)
async def test_each_call_is_counted_once_with_its_code(start, call, request_: bytes, code: str) -> None:
    _, channel = await start()
    method = {"grpc_service": SERVICE, "grpc_method": METHODS[call]}
    names = ("grpc_server_started_total", "grpc_server_handled_total", "grpc_server_handling_seconds_count")

    def counts() -> list[float]:
        return [sample(n, **method, **({} if "started" in n else {"grpc_code": code})) for n in names]

    before = counts()
    for _ in range(3):
        await asyncio.gather(call(channel, request_), return_exceptions=True)
    assert [after - b for after, b in zip(counts(), before, strict=True)] == [3, 3, 3]


@pytest.mark.parametrize(("seconds", "code"), [(0.2, "DEADLINE_EXCEEDED"), (None, "CANCELLED")])
@pytest.mark.parametrize("path", ["Echo", "Count"])
async def test_calls_that_clients_give_up_are_counted(start, path: str, seconds: float | None, code: str) -> None:
    _, channel = await start()
    labels = {"grpc_service": SERVICE, "grpc_method": path, "grpc_code": code}
    before = sample("grpc_server_handled_total", **labels)
    await channel.channel_ready()  # the deadline is for the call, not for connecting
    make = channel.unary_unary if path == "Echo" else channel.unary_stream
    call = make(f"/{SERVICE}/{path}")(b"30", timeout=seconds)
    await asyncio.sleep(0.5)
    call.cancel()
    for _ in range(100):
        if sample("grpc_server_handled_total", **labels) > before:
            break
        await asyncio.sleep(0.05)
    assert sample("grpc_server_handled_total", **labels) == before + 1


async def test_more_calls_than_allowed_are_refused_quickly(start) -> None:
    _, channel = await start(max_calls=3)
    results = await asyncio.gather(*(unary(channel, b"0.5") for _ in range(10)), return_exceptions=True)
    refused = [r for r in results if isinstance(r, grpc.aio.AioRpcError)]
    assert results.count(b"0.5") == 3
    assert {r.code() for r in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all(RetryInfo in details(r) for r in refused)
    assert await unary(channel, b"hello") == b"hello"


async def test_a_method_that_does_not_exist(start) -> None:
    _, channel = await start()
    error = await failure(channel.unary_unary(f"/{SERVICE}/None")(b"", timeout=5))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


TOKENS = {"operator": "o" * 40, "caller": "c" * 40}
LINES = "\n".join(f"{role} my-{role} {token}" for role, token in TOKENS.items())


def bearer(role: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {TOKENS[role]}")]


@KINDS
async def test_a_call_without_a_token_is_refused_before_its_message_is_read(start, call) -> None:
    _, channel = await start(tokens=LINES)
    labels = {"grpc_service": SERVICE, "grpc_method": METHODS[call], "grpc_code": "UNAUTHENTICATED"}
    before = sample("grpc_server_handled_total", **labels)
    error = await failure(call(channel, b"hello"))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert details(error)[ErrorInfo].reason == "Unauthenticated"
    assert sample("grpc_server_handled_total", **labels) == before + 1


async def test_the_message_of_a_call_that_is_refused_is_not_even_decoded(start) -> None:
    """A request larger than the limit would be RESOURCE_EXHAUSTED where somebody reads it."""
    address, _ = await start(tokens=LINES, max_message_mib=1)
    async with grpc.aio.insecure_channel(str(address), [("grpc.max_send_message_length", -1)]) as channel:
        assert (await failure(unary(channel, b"x" * (3 << 20)))).code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_token_lets_its_role_in_and_the_method_knows_who_calls(start) -> None:
    _, channel = await start(tokens=LINES)
    echo = channel.unary_unary(f"/{SERVICE}/Echo")
    assert await echo(b"who", metadata=bearer("operator"), timeout=10) == b"my-operator"
    answers = channel.unary_stream(f"/{SERVICE}/Count")(b"who", metadata=bearer("operator"), timeout=10)
    assert [answer async for answer in answers][-1] == b"my-operator"
    error = await failure(echo(b"who", metadata=bearer("caller"), timeout=10))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "my-caller is caller, and Echo/Echo takes operator" in error.details()


async def test_methods_that_do_not_exist_are_not_told_from_others_and_not_counted(start) -> None:
    """Each name that somebody makes up would be a series of the metrics."""
    _, channel = await start(tokens=LINES)
    unknown = channel.unary_unary("/made.Up/Name")
    assert (await failure(unknown(b"", timeout=10))).code() == grpc.StatusCode.UNAUTHENTICATED
    error = await failure(unknown(b"", metadata=bearer("operator"), timeout=10))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert (
        REGISTRY.get_sample_value("grpc_server_started_total", {"grpc_service": "made.Up", "grpc_method": "Name"})
        is None
    )


async def test_without_tokens_everybody_on_this_machine_is_local(start) -> None:
    _, channel = await start()
    assert await unary(channel, b"who") == b"local"


async def test_health_answers_everybody_and_reflection_those_with_a_token(start) -> None:
    _, channel = await start(tokens=LINES)
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", SERVICE):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    assert (await failure(anext(aiter(reflect(iter([request]), timeout=10))))).code() == grpc.StatusCode.UNAUTHENTICATED
    answer = await anext(aiter(reflect(iter([request]), timeout=10, metadata=bearer("caller"))))
    assert SERVICE in {service.name for service in answer.list_services_response.service}
