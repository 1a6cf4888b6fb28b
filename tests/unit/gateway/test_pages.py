"""Every page in a real browser, light and dark: nothing goes wrong, and nobody is kept out.

SCREENSHOTS=docs/images keeps what was seen.
"""

import os
import time
from pathlib import Path

import pytest
import rlhf
from playwright.sync_api import Browser, Page, expect

from tests.unit.gateway.browsing import barriers, visitor
from tests.unit.gateway.town import TOKEN, Town

TEA = (
    "Boil **fresh** water and pour it over the leaves:\n\n1. warm the pot,\n2. one spoon a cup,\n3. wait four minutes.",
    "Use a tea bag and hot water from the tap. That is all there is to it.",
)
GUIDELINES = "Prefer the answer that you would rather get.\n\n- **Right** before well said.\n- Short before long."


@pytest.fixture(scope="module")
def lived_in(town: Town, tmp_path_factory: pytest.TempPathFactory) -> rlhf.Run:
    """A campaign that three raters have worked on, and a short run."""
    with town.client() as client:
        client.feedback.create("tea", title="Kitchen questions", guidelines=GUIDELINES, overlap=4, overlap_share=1.0)
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


def test_curves_grow_while_a_run_goes_on(browser: Browser, town: Town, lived_in: rlhf.Run) -> None:
    with visitor(browser, town.url) as somebody, town.client() as client:
        run = client.runs.create(rlhf.Sft(base_model="base", dataset="rows", epochs=1000, batch_size=2), name="watched")
        try:
            page = somebody.log_in(TOKEN["tess"], f"/runs/{run.id}")
            drawn = "least => document.querySelector('[data-metric=loss] .chart')?.calcdata?.[0].length >= least"
            page.wait_for_function(drawn, arg=2, timeout=120_000)
            page.wait_for_function(drawn, arg=page.locator("#bar").evaluate("bar => bar.value") + 5)
        finally:
            run.cancel()
        expect(page.locator("#state")).to_have_text("cancelled")
        steps = page.locator("[data-metric=loss] .chart").evaluate("chart => chart.data[0].x")
        assert steps == list(range(1, len(steps) + 1))
        again = "fetch(`${location}/events`, {headers: {'Last-Event-ID': '400000000000000'}}).then(it => it.text())"
        assert page.evaluate(again) == "data: [DONE]\n\n", "nothing that was seen before comes again"


def test_annotators_see_what_is_theirs(browser: Browser, town: Town, lived_in: rlhf.Run) -> None:
    with visitor(browser, town.url) as anna:
        page = anna.log_in(TOKEN["anna"], "/campaigns")
        assert page.get_by_role("navigation").inner_text().split() == ["Campaigns"]
        assert page.get_by_role("link", name="Overview").count() == 0
        page.goto(f"{town.url}/runs")
        expect(page.get_by_role("heading")).to_have_text("Not for this role")
        assert barriers(page) == []
        assert "403" in anna.trouble.pop(), "browsers report the status"
        page.get_by_role("link", name="Back to the start").click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(f"{town.url}/campaigns")
        page.wait_for_url("**/login?next=/campaigns")
