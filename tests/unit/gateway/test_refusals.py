"""What a gateway on a network meets."""

import asyncio
import gzip
import json
import re
import select
import socket
import time
from contextlib import ExitStack, suppress

import aiohttp
import pytest
import requests

from services.gateway.settings import GatewaySettings
from services.runtime.errors import InvalidInput
from tests.conftest import wait_until
from tests.unit.gateway.town import TOKEN, Town

BEARER = {"Authorization": f"Bearer {TOKEN['shop']}"}
SMALL = {"query": []}


def post(url: str, **how) -> requests.Response:
    return requests.post(f"{url}/get_reward", timeout=30, **{"headers": BEARER, **how})


def test_without_a_token_health_alone_answers(town: Town) -> None:
    assert requests.get(f"{town.url}/health", timeout=10).json() == {"status": "ok"}
    refused = post(town.url, json=SMALL, headers={})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert refused.json()["error"]["type"] == "authentication_error"


def test_a_body_that_is_too_large_is_refused_announced_or_not(town: Town) -> None:
    with town.gateway(max_body_mib=0.01) as url:
        assert post(url, json={"query": ["a" * 20_000]}).status_code == 413
        headers = {**BEARER, "Content-Type": "application/json"}
        assert post(url, data=iter([b"a" * 8192] * 4), headers=headers).status_code == 413
        assert post(url, json=SMALL).status_code == 200


def test_a_body_that_never_ends_is_given_up(town: Town) -> None:
    with town.gateway(body_seconds=0.3) as url, connect(url) as line:
        head = f"POST /get_reward HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN['shop']}\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert b" 408 " in line.recv(200)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "body: got no JSON"),
        (b"[]", "expected"),
        (b"[" * 100_000, "body: got no JSON"),
        (b'{"query": 1e999}', "query"),
        (b'{"query": ["\xff"]}', "body: got no JSON"),
        (json.dumps({"query": ["a"] * 2000}).encode(), "at most 1024 items"),
        (
            json.dumps({"query": ["a"], "model": "../../etc/passwd"}).encode(),
            "model: got '../../etc/passwd', expected a",
        ),
        (json.dumps({"query": ["a"], "model": "m" * 5000}).encode(), "model: got"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(town: Town, body: bytes, words: str) -> None:
    found = post(town.url, data=body, headers={**BEARER, "Content-Type": "application/json"})
    assert found.status_code in (400, 404)
    assert words in found.json()["error"]["message"]


def test_tricks_in_an_address_name_no_model(town: Town) -> None:
    found = requests.post(f"{town.url}/get_reward?model=..%2f..%2fetc", json=SMALL, headers=BEARER, timeout=30)
    assert (found.status_code, found.json()["error"]["param"]) == (400, "model")
    for path in ("/static/..%2f__init__.py", "/static/../visit.py", "/v1/models/..%2f..%2fetc%2fpasswd"):
        assert requests.get(f"{town.url}{path}", headers=BEARER, timeout=30).status_code == 404


def test_gzip_is_read_and_unpacked_no_further_than_a_body_may_be(town: Town) -> None:
    def send(data: bytes, encoding: str = "gzip") -> int:
        headers = {**BEARER, "Content-Type": "application/json", "Content-Encoding": encoding}
        return post(url, data=data, headers=headers).status_code

    with town.gateway(max_body_mib=0.1) as url:
        whole = gzip.compress(json.dumps(SMALL).encode())
        assert send(whole) == 200
        assert send(gzip.compress(bytes(50 << 20))) == 413
        assert [send(whole[:-4]), send(whole + whole), send(b"no gzip")] == [400] * 3
        assert send(whole, "br") == 415


def test_a_page_of_another_site_can_send_nothing(town: Town) -> None:
    text = {**BEARER, "Content-Type": "text/plain"}
    assert post(town.url, data=json.dumps(SMALL), headers=text).status_code == 415
    assert post(town.url, json=SMALL, headers={**BEARER, "Origin": "https://evil.example"}).status_code == 403
    for origin in ("null", "http://[", "http://[::1"):
        assert post(town.url, json=SMALL, headers={**BEARER, "Origin": origin}).status_code == 403
    assert post(town.url, json=SMALL, headers={**BEARER, "Origin": town.url}).status_code == 200


def test_without_tokens_no_other_name_may_point_here(town: Town) -> None:
    with town.gateway(tokens="") as url:
        for host in ("evil.example", "[", "[::1"):
            assert requests.get(f"{url}/v1/models", headers={"Host": host}, timeout=10).status_code == 421
        assert requests.get(f"{url}/health", headers={"Host": "localhost:1"}, timeout=10).status_code == 200


@pytest.mark.parametrize("hundreds", [6, pytest.param(100, marks=pytest.mark.full)])
def test_a_flood_from_one_client_keeps_nobody_else_out(town: Town, hundreds: int) -> None:
    async def flood(url: str) -> list[tuple[int, str]]:
        connector = aiohttp.TCPConnector(limit=32)
        async with aiohttp.ClientSession(connector=connector, headers=BEARER) as session:

            async def one() -> tuple[int, str]:
                async with session.get(f"{url}/v1/models") as response:
                    return response.status, response.headers.get("Retry-After", "")

            found: list[tuple[int, str]] = []
            for _ in range(hundreds):
                found += await asyncio.gather(*(one() for _ in range(100)))
            return found

    with town.gateway(requests_per_second=1, request_burst=50) as url:
        started = time.monotonic()
        answers = asyncio.run(flood(url))
        seconds = time.monotonic() - started
        statuses = [status for status, _ in answers]
        assert statuses.count(429) + statuses.count(200) == 100 * hundreds
        assert 50 <= statuses.count(200) <= 50 + seconds + 1
        other = {"Authorization": f"Bearer {TOKEN['tess']}"}
        assert requests.get(f"{url}/v1/models", headers=other, timeout=10).status_code == 200
        assert all(wait == ("" if status == 200 else "1") for status, wait in answers)


@pytest.mark.parametrize("sent", [f"Bearer {TOKEN['anna']}", "Bearer nobody", "Basic !", ""])
def test_who_is_refused_again_and_again_is_told_to_wait(town: Town, sent: str) -> None:
    """Whether the token is that of another role, unknown, unreadable or not there."""
    with town.gateway(requests_per_second=0.001, request_burst=2) as url:
        statuses = [post(url, json=SMALL, headers={"Authorization": sent}).status_code for _ in range(3)]
    assert statuses == [*[403 if "anna" in sent else 401] * 2, 429]


def test_more_than_so_many_at_once_are_asked_to_come_back(town: Town) -> None:
    async def storm(url: str) -> list[int]:
        body = {"model": "base", "messages": [{"role": "user", "content": "tea"}], "max_tokens": 40}
        async with aiohttp.ClientSession(headers=BEARER) as session:

            async def one() -> int:
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    return response.status

            return await asyncio.gather(*(one() for _ in range(30)))

    with town.gateway(max_requests=4) as url:
        statuses = asyncio.run(storm(url))
        assert set(statuses) == {200, 503}


def test_one_client_cannot_take_every_place(town: Town) -> None:
    """Whoever sends bodies that never end has a share of what is answered at once, and no more."""
    head = f"POST /get_reward HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN['shop']}\r\n"
    endless = f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode()
    with town.gateway(max_requests=4, requests_of_one=2) as url, ExitStack() as stack:
        lines = [stack.enter_context(connect(url)) for _ in range(3)]
        for line in lines:
            line.sendall(endless)
        answered, _, _ = select.select(lines, [], [], 20)
        assert b" 503 " in answered[0].recv(200)
        other = {"Authorization": f"Bearer {TOKEN['tess']}"}
        assert requests.get(f"{url}/v1/models", headers=other, timeout=10).status_code == 200


def test_it_lives_however_full_it_is(town: Town) -> None:
    """Whoever restarts what does not answer /health would break off everything that is in progress."""
    with town.gateway(max_requests=1, requests_of_one=1) as url, connect(url) as line:
        head = f"POST /get_reward HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN['shop']}\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        wait_until(lambda: requests.get(f"{url}/openapi.json", timeout=10).status_code == 503, seconds=20)
        assert requests.get(f"{url}/health", timeout=10).json() == {"status": "ok"}


def test_one_address_cannot_take_every_connection(town: Town) -> None:
    """Loopback has many addresses; two are two clients."""
    with town.gateway(max_connections=4, connections_of_one=2) as url, ExitStack() as stack:
        own = [stack.enter_context(connect(url)) for _ in range(2)]
        assert hung_up(stack.enter_context(connect(url)))
        assert health(stack.enter_context(connect(url, "127.0.0.2")))
        assert health(own[0])
        own[1].close()
        wait_until(lambda: health(stack.enter_context(connect(url))), seconds=20)


def test_all_addresses_together_have_so_many_connections(town: Town) -> None:
    with town.gateway(max_connections=3, connections_of_one=2) as url, ExitStack() as stack:
        assert all(health(stack.enter_context(connect(url, f"127.0.0.{n}"))) for n in (2, 3, 4))
        assert hung_up(stack.enter_context(connect(url, "127.0.0.5")))


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost:"])
def test_a_connection_that_asks_for_nothing_is_closed(town: Town, sent: bytes, asked_before: bool) -> None:
    patience = 3 if asked_before else 0.5  # seconds; enough for a question on a busy machine
    with town.gateway(head_seconds=patience, idle_seconds=1) as url, connect(url) as line:
        if asked_before:
            assert health(line)
        line.sendall(sent)
        assert hung_up(line)


def test_a_client_that_takes_nothing_of_its_answer_is_hung_up_on(town: Town) -> None:
    """A large file, so that the system's own buffers do not hold all of it."""
    with town.gateway(connections_of_one=1, unread_seconds=0.5) as url, ExitStack() as stack:
        line = stack.enter_context(connect(url))
        line.sendall(b"GET /static/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: health(stack.enter_context(connect(url))), seconds=60)
        head, _, body = taken(line).partition(b"\r\n\r\n")
        length = int(re.findall(rb"content-length: (\d+)", head.lower())[0])
        assert len(body) < length


def taken(line: socket.socket) -> bytes:
    """All that is still there."""
    found = b""
    with suppress(ConnectionError):
        while part := line.recv(1 << 16):
            found += part
    return found


def connect(url: str, source: str = "127.0.0.1") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", int(url.rsplit(":")[-1])), timeout=30, source_address=(source, 0))
    line.settimeout(30)
    return line


def health(line: socket.socket) -> bool:
    """Whether an answer comes; the connection stays."""
    try:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return b" 200 OK" in line.recv(4096)
    except ConnectionError:
        return False


def hung_up(line: socket.socket) -> bool:
    """Once the other end has closed; what it said before does not matter."""
    try:
        while line.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def test_every_answer_tells_browsers_to_keep_to_this_host(town: Town) -> None:
    for path in ("/health", "/nowhere", "/v1/models"):
        headers = requests.get(f"{town.url}{path}", timeout=10).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_openapi_document_describes_what_is_there(town: Town) -> None:
    document = requests.get(f"{town.url}/openapi.json", timeout=10).json()
    chat = document["paths"]["/v1/chat/completions"]["post"]
    reference = chat["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][reference.rsplit("/")[-1]]
    assert {"model", "messages"} == set(schema["required"])
    assert {"/classify", "/get_reward", "/v1/rerank", "/v1/best_of_n", "/v1/models/{model}"} <= document["paths"].keys()


def test_other_hosts_are_not_listened_to_without_tokens() -> None:
    with pytest.raises(InvalidInput, match="tokens_file"):
        GatewaySettings(host="0.0.0.0")
    with pytest.raises(InvalidInput, match="RLHF_SESSION_KEY"):
        GatewaySettings(session_key="short")
