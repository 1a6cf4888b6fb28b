"""TLS and mutual TLS of a real server, and certificates that change under it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from services.runtime.errors import InvalidInput
from services.runtime.server import Address
from services.runtime.settings import ListenSettings
from services.runtime.tls import server_credentials
from tests.certificates import Authority, Pair

ECHO = "/test.Echo/Echo"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.issue("server")


async def ask(address: Address, trusted: Authority, client: Pair | None = None) -> bytes | None:
    """Over a new connection; None where there is none to be had."""
    own = (client.key.read_bytes(), client.cert.read_bytes()) if client else ()
    credentials = grpc.ssl_channel_credentials(trusted.ca.read_bytes(), *own)
    async with grpc.aio.secure_channel(str(address), credentials) as channel:
        call = channel.unary_unary(ECHO)(b"hello", timeout=10)
        if await call.code() == grpc.StatusCode.UNAVAILABLE:
            return None
        return await call


async def test_a_client_that_knows_the_authority_gets_an_answer(start, authority, pair, tmp_path) -> None:
    address, plaintext = await start(tls_cert=pair.cert, tls_key=pair.key)
    assert await ask(address, authority) == b"hello"
    assert await ask(address, Authority(tmp_path, "other")) is None
    with pytest.raises(grpc.aio.AioRpcError):
        await plaintext.unary_unary(ECHO)(b"hello", timeout=10)


async def test_mutual_tls_asks_for_a_certificate_of_the_authority(start, authority, pair, tmp_path) -> None:
    address, _ = await start(tls_cert=pair.cert, tls_key=pair.key, tls_client_ca=authority.ca)
    assert await ask(address, authority, authority.issue("client")) == b"hello"
    assert await ask(address, authority) is None
    assert await ask(address, authority, Authority(tmp_path, "other").issue("stranger")) is None


async def test_new_connections_meet_the_new_certificate_and_old_ones_go_on(start, authority, pair, tmp_path) -> None:
    address, _ = await start(tls_cert=pair.cert, tls_key=pair.key)
    credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes())
    async with grpc.aio.secure_channel(str(address), credentials) as old:
        under_way = asyncio.ensure_future(old.unary_unary(ECHO)(b"0.5", timeout=10))
        await old.unary_unary(ECHO)(b"0.1", timeout=10)
        successor = Authority(tmp_path, "successor")
        successor.issue("server")
        assert await ask(address, successor) == b"hello"
        assert await ask(address, authority) is None
        assert await under_way == b"0.5"


async def test_a_certificate_without_its_key_waits_for_it(start, authority, pair) -> None:
    """Two files are not replaced in one moment."""
    address, _ = await start(tls_cert=pair.cert, tls_key=pair.key)
    old_key = pair.key.read_bytes()
    authority.issue("server")
    new_key = pair.key.read_bytes()
    pair.key.write_bytes(old_key)
    assert await ask(address, authority) == b"hello"
    pair.key.write_bytes(new_key)
    assert await ask(address, authority) == b"hello"


Change = Callable[[Pair, Authority], ListenSettings]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pair, ca: ListenSettings(tls_cert=pair.cert, tls_key=ca.ca), "tls_cert: got .*server.crt, expected"),
        (lambda pair, ca: ListenSettings(tls_cert=pair.key, tls_key=pair.key), "tls_cert: got .*server.key"),
        (
            lambda pair, ca: ListenSettings(tls_cert=pair.cert, tls_key=pair.key, tls_client_ca=pair.key),
            "tls_client_ca: got .*server.key, expected certificates in PEM",
        ),
        (lambda pair, ca: ListenSettings(tls_cert=Path("none"), tls_key=pair.key), "No such file"),
    ],
)
def test_files_that_cannot_be_used_are_named(change: Change, message: str, authority, pair) -> None:
    with pytest.raises(InvalidInput, match=message):
        server_credentials(change(pair, authority))


def test_no_certificate_no_tls() -> None:
    assert server_credentials(ListenSettings()) is None
