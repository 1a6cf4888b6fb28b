"""Every page as it looks after the walk, light and dark."""

from collections.abc import Callable
from pathlib import Path

import rlhf
from playwright.sync_api import Browser, Page, expect

from tests.unit.gateway.browsing import SIZE, visitor

TALL = 1050
Ready = Callable[[Page], object]
SCHEMES = ("light", "dark")
ANSWERS = (
    "Warm the pot, then pour **boiling** water over the leaves and wait four minutes.",
    "Put leaves in a cup. Pour hot water. Wait.",
    "1. Boil fresh water.\n2. Pour it over one spoon of leaves per cup.\n3. Wait three to five minutes.",
)
PROMPT = "How do I make tea?"
GUIDELINES = "Somebody who has **never** made tea should be able to follow it. Longer is not better."


def open_campaigns(client: rlhf.Client) -> None:
    """One of each kind with something left to judge; the walk's has been judged."""
    alone = {"gold_share": 0.0, "repeat_share": 0.0, "guidelines": GUIDELINES}
    client.feedback.create("pairs", title="Which answer is clearer?", **alone)
    client.feedback.add_items("pairs", [rlhf.Item(PROMPT, ANSWERS[::2], domain="cooking")] * 3)
    client.feedback.create("order", kind="ranking", title="Sort three answers", responses_per_item=3, **alone)
    client.feedback.add_items("order", [rlhf.Item(PROMPT, ANSWERS, domain="cooking")] * 2)
    client.feedback.create("ideal", kind="demonstration", title="Write the ideal answer", **alone)
    client.feedback.add_items("ideal", [rlhf.Item(PROMPT, ANSWERS[:1], domain="cooking")])


def take_all(browser: Browser, url: str, locked_url: str, run: str, pictures: Path) -> None:
    """`locked_url` is a gateway with tokens, which asks people to log in."""
    for scheme in SCHEMES:
        with visitor(browser, url, scheme) as person:
            for name, path, ready, height in pages(run):
                page = person.page(path)
                page.set_viewport_size({**SIZE, "height": height})
                ready(page)
                page.screenshot(path=pictures / f"{name}-{scheme}.png")
                page.close()
            take_error(person.context.new_page(), f"{url}/campaigns/nothing", pictures / f"error-{scheme}.png")
        with visitor(browser, locked_url, scheme) as person:
            person.page("/login").screenshot(path=pictures / f"login-{scheme}.png")


def pages(run: str) -> tuple[tuple[str, str, Ready, int], ...]:
    """Name, path, when it is there, and how much of its height is wanted."""
    label = "/campaigns/pairs/label?rater=ben"
    return (
        ("campaigns", "/campaigns", shown("main"), SIZE["height"]),
        ("campaign", "/campaigns/answers", shown(".chart .main-svg"), TALL),
        ("label", label, shown("#card"), SIZE["height"]),
        ("label-keys", label, keys_shown, SIZE["height"]),
        ("label-ranking", "/campaigns/order/label?rater=ben", shown("#card"), SIZE["height"]),
        ("label-demonstration", "/campaigns/ideal/label?rater=ben", shown("#card"), SIZE["height"]),
        ("runs", "/runs", shown("main"), SIZE["height"]),
        ("run", f"/runs/{run}", shown(".chart .main-svg"), TALL),
        ("playground", "/playground", asked, SIZE["height"]),
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
