"""Tokens in plaintext, certificates that change, and replicas that come and go."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
import rlhf
from rlhf.connections import Connection, is_loopback
from rlhf.credentials import Credentials

from tests.certificates import Authority, Pair
from tests.name_server import NameServer

NAME = "/test.Replica/Name"
NOBODY = Credentials()


class Replica:
    """Says who it is and what it was shown; a request of b"slow" takes half a second."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: Pair | None = None) -> None:
        self.host, self.shown = host, ""
        options = [("grpc.max_connection_age_ms", 500), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(4), options=options)
        handler = grpc.unary_unary_rpc_method_handler(self._answer)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Replica", {"Name": handler}),)
        )
        self.port = self._listen(port, tls)
        self._server.start()

    def _listen(self, port: int, tls: Pair | None) -> int:
        if tls is None:
            return self._server.add_insecure_port(f"{self.host}:{port}")
        credentials = grpc.ssl_server_credentials([(tls.key.read_bytes(), tls.cert.read_bytes())])
        return self._server.add_secure_port(f"{self.host}:{port}", credentials)

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.shown = dict(context.invocation_metadata()).get("authorization", "")
        time.sleep(0.5 if request == b"slow" else 0)
        return self.host.encode()

    def __enter__(self) -> "Replica":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051", "127.8.8.8:1", "localhost:1", "[::1]:1", "dns:///localhost:1", "dns:localhost:1",
        "ipv4:127.0.0.1:1,127.0.0.2:2", "ipv4:///127.0.0.1:1", "ipv6:[::1]:1", "unix:/run/socket", "unix:///run/socket",
    ],
)  # fmt: skip
def test_this_machine_is_known_in_every_notation(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "policy:50051", "127.0.0.1.example.org:1", "localhost.example.org:1", "dns:///policy:1", "0.0.0.0:1",
        "dns://127.0.0.1:53/policy:1", "ipv4:127.0.0.1:1,192.0.2.7:1", "xds:///localhost:1", "10.0.0.1:1", "",
        "localhost:1@example.org:2", "passthrough:///127.0.0.1:1",
    ],
)  # fmt: skip
def test_what_may_be_another_machine_is_not_loopback(address: str) -> None:
    assert not is_loopback(address)


def test_a_token_does_not_leave_this_machine_in_plaintext(tmp_path: Path) -> None:
    for credentials in (Credentials(token="t"), Credentials(token_file=written(tmp_path / "token", "t"))):
        with pytest.raises(
            rlhf.InvalidInputError, match=r"a token for policy:1, expected a ca .*allow_plaintext_token"
        ):
            Connection("policy:1", credentials, ())
    Connection("policy:1", Credentials(token="t", allow_plaintext_token=True), ()).close()
    Connection("policy:1", Credentials(token="t", ca=Authority(tmp_path).ca), ()).close()
    Connection("policy:1", NOBODY, ()).close()


def test_clients_refuse_it_before_anything_is_sent() -> None:
    for kind in (rlhf.Client, rlhf.AsyncClient):
        with pytest.raises(rlhf.InvalidInputError, match="a token for policy:1"):
            kind(policy="policy:1", token="t")
        kind(policy="policy:1", token="t", allow_plaintext_token=True)


def test_each_call_shows_the_token_of_the_moment(stack: ExitStack, tmp_path: Path) -> None:
    replica, file = stack.enter_context(Replica()), written(tmp_path / "token", "first")
    name = stack.enter_context(connect(replica, Credentials(token_file=file))).unary_unary(NAME)
    name(b"", timeout=10)
    assert replica.shown == "Bearer first"
    written(file, "the-second")
    name(b"", timeout=10)
    assert replica.shown == "Bearer the-second"


def test_a_new_authority_is_trusted_from_the_next_call_on(stack: ExitStack, tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = written(tmp_path / "ca.pem", old.ca.read_text())
    before = stack.enter_context(Replica(tls=old.issue("a")))
    connection = stack.enter_context(connect(before, Credentials(ca=trusted)))
    name = connection.unary_unary(NAME)
    assert name(b"", timeout=10) == b"127.0.0.1"
    under_way = name.future(b"slow", timeout=10)
    time.sleep(0.1)
    written(trusted, new.ca.read_text())
    with pytest.raises(grpc.RpcError):
        name(b"", timeout=10)
    assert under_way.result() == b"127.0.0.1", "on the channel of before"
    written(trusted, new.ca.read_text() + old.ca.read_text())
    assert name(b"", timeout=10) == b"127.0.0.1"


async def test_calls_of_asyncio_end_on_the_channel_they_began_on(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = written(tmp_path / "ca.pem", old.ca.read_text())
    with Replica(tls=old.issue("a")) as replica:
        connection = Connection(f"127.0.0.1:{replica.port}", Credentials(ca=trusted), (), grpc.aio)
        name = connection.unary_unary(NAME)
        under_way = asyncio.ensure_future(name(b"slow", timeout=10))
        await asyncio.sleep(0.2)
        written(trusted, new.ca.read_text())
        with pytest.raises(grpc.aio.AioRpcError):
            await name(b"", timeout=10)
        assert await under_way == b"127.0.0.1"
        await connection.close()


def test_replicas_take_turns_and_new_ones_get_their_share_once_connections_are_renewed(stack: ExitStack) -> None:
    """As behind a headless Service that is scaled up and down."""
    first = stack.enter_context(Replica())
    names = stack.enter_context(NameServer("127.0.0.1"))
    connection = stack.enter_context(Connection(names.target(first.port), NOBODY, [("grpc.enable_http_proxy", 0)]))
    assert shares(connection) == {"127.0.0.1": 20}
    second = stack.enter_context(Replica("127.0.0.2", first.port))
    names.addresses.append(second.host)
    assert until(connection, {"127.0.0.1": 10, "127.0.0.2": 10})
    names.addresses.remove(first.host)
    first.__exit__()
    assert until(connection, {"127.0.0.2": 20})


def test_a_list_of_addresses_is_a_set_of_replicas_too(stack: ExitStack) -> None:
    first = stack.enter_context(Replica())
    second = stack.enter_context(Replica("127.0.0.2", first.port))
    target = f"ipv4:127.0.0.1:{first.port},127.0.0.2:{second.port}"
    connection = stack.enter_context(Connection(target, NOBODY, ()))
    assert until(connection, {"127.0.0.1": 10, "127.0.0.2": 10})


def connect(replica: Replica, credentials: Credentials) -> Connection:
    return Connection(f"127.0.0.1:{replica.port}", credentials, ())


def shares(connection: Connection) -> Counter[str]:
    """How many of 20 calls each replica answered."""
    name = connection.unary_unary(NAME)
    return Counter(name(b"", timeout=10, wait_for_ready=True).decode() for _ in range(20))


def until(connection: Connection, expected: dict[str, int]) -> bool:
    deadline = time.monotonic() + 15
    while (found := shares(connection)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return True


def written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
