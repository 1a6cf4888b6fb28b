"""A real Chromium, and what is expected of every page that it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.tools import tool

SECONDS = 60
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SERIOUS = ("serious", "critical")
SIZE = {"width": 1280, "height": 820}


@contextmanager
def chromium() -> Iterator[Browser]:
    path = tool("chromium", "chromium")
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """A person with a browser of their own. Whatever goes wrong on a page is kept for the end of the test."""

    context: BrowserContext
    url: str
    trouble: list[str] = field(default_factory=list)

    def page(self, path: str) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.on("console", lambda message: self._note(message.type == "error", f"console: {message.text}"))
        page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        page.on("dialog", lambda dialog: self._note(True, f"dialog: {dialog.message}"))
        page.on("request", lambda request: self._note(self._leaves(request.url), f"left the host: {request.url}"))
        page.goto(f"{self.url}{path}")
        return page

    def log_in(self, token: str, path: str) -> Page:
        """As somebody who followed a link to `path`."""
        page = self.page(path)
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{self.url}{path}")
        return page

    def _note(self, wrong: bool, what: str) -> None:
        if wrong:
            self.trouble.append(what)

    def _leaves(self, url: str) -> bool:
        return urlsplit(url).scheme not in ("data", "blob") and not url.startswith(f"{self.url}/")


@contextmanager
def visitor(browser: Browser, url: str, scheme: str = "light") -> Iterator[Visitor]:
    context = browser.new_context(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
    found = Visitor(context, url)
    try:
        yield found
    finally:
        context.close()
    assert not found.trouble, found.trouble


def barriers(page: Page) -> list[str]:
    """What axe-core finds that keeps people out: contrast, labels, focus order."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['html'][:200]} {node['failureSummary']}"
        for found in violations
        for node in found["nodes"]
        if found["impact"] in SERIOUS
    ]
