"""What people and programs reach over HTTP, through a port-forward of the gateway alone."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.cluster.installation import Installation

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def gateway(installation: Installation) -> Iterator[str]:
    with installation.forwarded("gateway") as addresses:
        yield f"http://{addresses['gateway']}"


def ask(url: str, token: str = "", body: object = None) -> dict:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=300) as answer:
        return json.load(answer)


def test_nobody_is_answered_without_a_token(gateway: str) -> None:
    assert ask(f"{gateway}/health") == {"status": "ok"}
    with pytest.raises(urllib.error.HTTPError) as raised:
        ask(f"{gateway}/v1/models")
    assert raised.value.code == 401


def test_an_application_chats_with_a_model(gateway: str, installation: Installation, data: dict[str, str]) -> None:
    """Through gateway, policy and trainer, who knows the caller by a token of its own."""
    token = installation.token("application")
    known = [model["id"] for model in ask(f"{gateway}/v1/models", token)["data"]]
    assert data["base"].split("@")[0] in known
    asked = {"model": data["base"], "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 8}
    answer = ask(f"{gateway}/v1/chat/completions", token, asked)
    assert answer["usage"]["completion_tokens"] >= 1


def test_people_are_asked_to_log_in(gateway: str) -> None:
    with urllib.request.urlopen(gateway, timeout=60) as page:
        assert page.url.startswith(f"{gateway}/login")
        assert "token" in page.read().decode().lower()
