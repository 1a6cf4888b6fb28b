"""Every page as it looks after the walk, light and dark."""

from collections.abc import Callable
from pathlib import Path

import rlhf
from playwright.sync_api import Browser, Page, expect

from tests.unit.gateway.browsing import visitor

Ready = Callable[[Page], object]
SCHEMES = ("light", "dark")
ANSWERS = (
    "Warm the pot, then pour **boiling** water over the leaves and wait four minutes.",
    "Put leaves in a cup. Pour hot water. Wait.",
    "1. Boil fresh water.\n2. Pour it over one spoon of leaves per cup.\n3. Wait three to five minutes.",
)
PROMPT = "How do I make tea?"


def open_campaigns(client: rlhf.Client) -> None:
    """The kinds of which the walk has none."""
    alone = {"gold_share": 0.0, "repeat_share": 0.0}
    client.feedback.create("order", kind="ranking", title="Sort three answers", responses_per_item=3, **alone)
    client.feedback.add_items("order", [rlhf.Item(PROMPT, ANSWERS, domain="cooking")] * 2)
    client.feedback.create("ideal", kind="demonstration", title="Write the ideal answer", **alone)
    client.feedback.add_items("ideal", [rlhf.Item(PROMPT, ANSWERS[:1], domain="cooking")])


def take_all(browser: Browser, url: str, locked_url: str, run: str, pictures: Path) -> None:
    """`locked_url` is a gateway with tokens, which asks people to log in."""
    for scheme in SCHEMES:
        with visitor(browser, url, scheme) as person:
            for name, path, ready, full in pages(run):
                page = person.page(path)
                ready(page)
                page.screenshot(path=pictures / f"{name}-{scheme}.png", full_page=full)
                page.close()
            take_error(person.context.new_page(), f"{url}/campaigns/nothing", pictures / f"error-{scheme}.png")
        with visitor(browser, locked_url, scheme) as person:
            person.page("/login").screenshot(path=pictures / f"login-{scheme}.png")


def pages(run: str) -> tuple[tuple[str, str, Ready, bool], ...]:
    """Name, path, when it is there, and whether all of it is wanted."""
    label = "/campaigns/answers/label?rater=ben"
    return (
        ("campaigns", "/campaigns", shown("main"), False),
        ("campaign", "/campaigns/answers", shown(".chart .main-svg"), True),
        ("label", label, shown("#card"), False),
        ("label-keys", label, keys_shown, False),
        ("label-ranking", "/campaigns/order/label?rater=ben", shown("#card"), False),
        ("label-demonstration", "/campaigns/ideal/label?rater=ben", shown("#card"), False),
        ("runs", "/runs", shown("main"), False),
        ("run", f"/runs/{run}", shown(".chart .main-svg"), True),
        ("playground", "/playground", asked, False),
    )


def shown(selector: str) -> Callable[[Page], None]:
    return lambda page: expect(page.locator(selector).first).to_be_visible()


def keys_shown(page: Page) -> None:
    shown("#card")(page)
    page.keyboard.press("?")
    shown("#keys-dialog")(page)


def asked(page: Page) -> None:
    expect(page.locator("#left-model option[value=aligned]")).to_be_attached()
    page.locator("#left-model").select_option("aligned")
    page.locator("#right-model").select_option("assistant")
    page.get_by_label("Your message").fill(PROMPT)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".reward")).to_have_count(2)


def take_error(page: Page, address: str, path: Path) -> None:
    """A page that is refused is an error of the console too, which no visitor has to keep."""
    page.goto(address)
    page.screenshot(path=path)
    page.close()
