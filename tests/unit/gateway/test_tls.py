"""HTTPS by the gateway itself."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from services.gateway.server import running
from services.gateway.settings import GatewaySettings
from tests.certificates import Authority, Pair

TOKEN = "0123456789" * 4


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def gateway(pair: Pair, **given: Any) -> AsyncIterator[str]:
    """Its URL, but for the scheme."""
    options = {"port": 0, "metrics_port": 0, "drain_seconds": 5, "tokens": f"annotator anna {TOKEN}", **given}
    async with running(GatewaySettings(tls_cert=pair.cert, tls_key=pair.key, **options), {}) as address:
        yield f"://{address}"


async def ask(url: str, trusted: Authority, **given: Any) -> requests.Response:
    return await in_thread(requests.get, f"https{url}", verify=str(trusted.ca), timeout=30, **given)


async def in_thread(work: Callable[..., Any], *given: Any, **named: Any) -> Any:
    return await asyncio.to_thread(partial(work, *given, **named))


async def test_people_log_in_over_https_and_nothing_goes_another_way(authority: Authority) -> None:
    def log_in(url: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(authority.ca)
            page = session.get(f"{url}/login", timeout=30)
            assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
            (form_token,) = re.findall(r'name="csrf_token" value="(\w+)"', page.text)
            fields = {"csrf_token": form_token, "token": TOKEN, "next": "/openapi.json"}
            return session.post(f"{url}/login", data=fields, timeout=30)

    async with gateway(authority.issue("server")) as url:
        came = await in_thread(log_in, f"https{url}")
        assert (came.status_code, came.url) == (200, f"https{url}/openapi.json")
        cookie = came.history[0].headers["Set-Cookie"]
        assert cookie.startswith("__Host-rlhf_session=")
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(cookie.split("; "))
        with pytest.raises(requests.ConnectionError):
            await in_thread(requests.get, f"http{url}/health", timeout=30)


async def test_new_connections_meet_the_new_certificate(authority: Authority, tmp_path: Path) -> None:
    async with gateway(authority.issue("server")) as url:
        assert (await ask(f"{url}/health", authority)).status_code == 200
        successor = Authority(tmp_path, "successor")
        successor.issue("server")
        assert (await ask(f"{url}/health", successor)).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            await ask(f"{url}/health", authority)


async def test_callers_show_a_certificate_where_it_is_asked_for(authority: Authority) -> None:
    async with gateway(authority.issue("server"), tls_client_ca=authority.ca) as url:
        own = authority.issue("client", hosts=["client"])
        assert (await ask(f"{url}/health", authority, cert=(str(own.cert), str(own.key)))).status_code == 200
        with pytest.raises(requests.ConnectionError):
            await ask(f"{url}/health", authority)


async def test_who_begins_no_handshake_counts_among_connections(authority: Authority) -> None:
    async with gateway(authority.issue("server"), connections_of_one=1) as url:
        port = int(url.rsplit(":")[-1])
        with socket.create_connection(("127.0.0.1", port), timeout=30), pytest.raises(requests.ConnectionError):
            await ask(f"{url}/health", authority)
        async with asyncio.timeout(30):
            while not await answers(f"{url}/health", authority):
                pass


async def answers(url: str, authority: Authority) -> bool:
    try:
        return (await ask(url, authority)).ok
    except requests.ConnectionError:
        return False
