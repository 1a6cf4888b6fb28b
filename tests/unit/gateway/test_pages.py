"""Every page in a real browser, light and dark: nothing goes wrong, and nobody is kept out.

SCREENSHOTS=docs/images keeps what was seen.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rlhf
from playwright.sync_api import Browser, Page, expect

from tests.unit.gateway.browsing import barriers, chromium, visitor
from tests.unit.gateway.town import TOKEN, Town

pytestmark = pytest.mark.full  # a browser beside four services

TEA = (
    "Boil **fresh** water and pour it over the leaves:\n\n1. warm the pot,\n2. one spoon a cup,\n3. wait four minutes.",
    "Use a tea bag and hot water from the tap. That is all there is to it.",
)
GUIDELINES = "Prefer the answer that you would rather get.\n\n- **Right** before well said.\n- Short before long."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lived_in(town: Town, tmp_path_factory: pytest.TempPathFactory) -> rlhf.Run:
    """A campaign that three raters have worked on, and a short run."""
    with town.client() as client:
        client.feedback.create("tea", title="Kitchen questions", guidelines=GUIDELINES, overlap=3, overlap_share=1.0)
        items = [
            rlhf.Item(f"How do I make tea number {n}?", TEA, ("sft@1", "ppo@7"), ("tea", "kettle")[n % 2], None)
            for n in range(12)
        ]
        gold = [rlhf.Item(f"Is water wet ({n})?", ("Yes.", "No idea."), gold=0) for n in range(4)]
        client.feedback.add_items("tea", [*items, *gold])
        for rater, liked in (("ben", "fresh"), ("cleo", "fresh"), ("dora", "bag")):
            judge(client, rater, liked)
        return train(client, tmp_path_factory.mktemp("rows") / "rows.jsonl")


def judge(client: rlhf.Client, rater: str, liked: str) -> None:
    for _ in range(14):
        found = client.feedback.next("tea", rater=rater)
        if found.assignment is None:
            return
        first = any(word in found.assignment.responses[0] for word in (liked, "Yes"))
        client.feedback.prefer(found.assignment, "first" if first else "second", seconds=6)


def train(client: rlhf.Client, file: Path) -> rlhf.Run:
    file.write_text('{"prompt": "Tea?", "completion": "Yes, with milk."}\n' * 16)
    spec = rlhf.Sft(base_model="base", dataset=client.datasets.upload(file, name="rows"), epochs=2, batch_size=2)
    return client.runs.create(spec, name="assistant").wait(timeout=150)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_whole_and_open_to_all(browser: Browser, town: Town, lived_in: rlhf.Run, scheme: str) -> None:
    with visitor(browser, town.url, scheme) as somebody:
        page = somebody.page("/campaigns")
        look(page, "login", scheme)
        page.close()
        page = somebody.log_in(TOKEN["ops"], "/campaigns")
        look(page, "campaigns", scheme)
        page.goto(f"{town.url}/campaigns/tea")
        expect(page.locator(".main-svg").first).to_be_visible()
        look(page, "campaign", scheme)
        page.goto(f"{town.url}/campaigns/tea/label")
        expect(page.locator("#card")).to_be_visible()
        look(page, "label", scheme)
        page.keyboard.press("s")
        look(page, "skip", scheme)
        page.goto(f"{town.url}/runs")
        look(page, "runs", scheme)
        page.goto(f"{town.url}/runs/{lived_in.id}")
        expect(page.locator(".main-svg").first).to_be_visible()
        expect(page.locator("#state")).to_have_text("succeeded")
        look(page, "run", scheme)
        page.goto(f"{town.url}/playground")
        chat(page)
        look(page, "playground", scheme)


def chat(page: Page) -> None:
    expect(page.locator("#left-model option")).not_to_have_count(0)
    page.locator("#right-model").select_option("assistant")
    page.locator("#tokens").fill("24")
    page.get_by_placeholder("Ask something").fill("How do I make tea?")
    page.keyboard.press("Enter")
    expect(page.locator(".reward")).to_have_count(2)
    assert all(text.startswith("reward ") for text in page.locator(".reward").all_inner_texts())


def look(page: Page, name: str, scheme: str) -> None:
    assert barriers(page) == []
    if folder := os.environ.get("SCREENSHOTS"):
        time.sleep(0.5)  # for plots to settle
        page.screenshot(path=Path(folder) / f"{name}-{scheme}.png")


def test_a_run_is_followed_while_it_runs(browser: Browser, town: Town, lived_in: rlhf.Run) -> None:
    with visitor(browser, town.url) as somebody, town.client() as client:
        spec = rlhf.Sft(base_model="base", dataset="rows", epochs=4, batch_size=2)
        run = client.runs.create(spec, name="watched")
        page = somebody.log_in(TOKEN["tess"], f"/runs/{run.id}")
        expect(page.locator(".main-svg").first).to_be_visible(timeout=120_000)
        expect(page.locator("#state")).to_have_text("succeeded", timeout=120_000)
        expect(page.locator("#where")).to_have_text("sft 32/32")


def test_annotators_see_what_is_theirs(browser: Browser, town: Town, lived_in: rlhf.Run) -> None:
    with visitor(browser, town.url) as anna:
        page = anna.log_in(TOKEN["anna"], "/campaigns")
        assert page.get_by_role("navigation").inner_text().split() == ["Campaigns"]
        assert page.get_by_role("link", name="Overview").count() == 0
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(f"{town.url}/campaigns")
        page.wait_for_url("**/login?next=/campaigns")
