"""A gateway before services that run already, and a person at its labelling page, without the browser."""

import html
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from services.local import Services
from services.local.process import NOBODY, ServiceProcess

TAG = re.compile(r"<[^>]+>")
NUMBERED = re.compile(r"^\d+[.)] ", re.MULTILINE)  # in Markdown a list, whose numbers are no text of the page
SECONDS = 120.0


@contextmanager
def front_door(services: Services, folder: Path, environ: Mapping[str, str] = NOBODY) -> Iterator[str]:
    """Its URL. `environ` says who may come in; by default everybody."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("policy", "reward", "trainer", "feedback")
    behind = [text for name in names for text in (f"--{name}", services.addresses[name])]
    gateway = ServiceProcess("gateway", behind, 0, 0, folder / "gateway.log", environ)
    gateway.start()
    try:
        gateway.wait_until_healthy(time.monotonic() + SECONDS)
        yield f"http://{gateway.address}"
    finally:
        gateway.stop(SECONDS)


class Person:
    """Who follows the link `address` to a labelling page; what the page's script sends is sent here."""

    def __init__(self, address: str) -> None:
        self._session = requests.Session()
        page = self._session.get(address, timeout=SECONDS)
        page.raise_for_status()
        (token,) = re.findall(r'name="csrf-token" content="(\w+)"', page.text)
        self._session.headers["X-CSRF-Token"] = token
        self._base, _, self._rater = address.partition("/label?rater=")

    def look(self) -> dict[str, Any]:
        return self._send("next")

    def judge(self, card: dict[str, Any], **answer: str) -> dict[str, Any]:
        given = {"assignment": card["id"], "guidelines_version": card["guidelines_version"], "seconds": 1.5}
        return self._send("judge", **given, **answer, request=uuid4().hex)

    def undo(self) -> dict[str, Any]:
        return self._send("undo", request=uuid4().hex)

    def _send(self, action: str, **body: Any) -> dict[str, Any]:
        answer = self._session.post(f"{self._base}/{action}", json={**body, "rater": self._rater}, timeout=SECONDS)
        assert answer.ok, answer.text
        return answer.json()


def plain(shown: str) -> str:
    """What is read on the page, in one line."""
    return " ".join(html.unescape(TAG.sub(" ", NUMBERED.sub("", shown))).split())
