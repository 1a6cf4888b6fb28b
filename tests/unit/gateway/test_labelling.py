"""People label in a real browser: by keyboard and by mouse, interrupted, two at once, and safe from what they read."""

from collections.abc import Iterator
from typing import Any

import pytest
import rlhf
from playwright.sync_api import Browser, Page, expect

from tests.unit.gateway.browsing import Visitor, visitor
from tests.unit.gateway.town import TOKEN, Town

NASTY = """<script>document.title = "taken"</script>
<img src="http://elsewhere.example/a.png" onerror="document.title = 'taken'">
[press](javascript:document.title='taken') ![](http://elsewhere.example/b.png)
<a href="http://elsewhere.example">there</a> **bold** &lt;"""


@pytest.fixture
def anna(browser: Browser, town: Town) -> Iterator[Visitor]:
    with visitor(browser, town.url) as found:
        yield found


def campaign(town: Town, name: str, items: list[rlhf.Item] | None = None, **how: Any) -> str:
    """Everybody sees every pair, in the order of the service's choice; nothing is repeated."""
    given = {"overlap": 2, "overlap_share": 1.0, "repeat_share": 0.0, "gold_share": 0.0}
    with town.client() as client:
        client.feedback.create(name, guidelines="Prefer the **kinder** answer.", **{**given, **how})
        client.feedback.add_items(name, items or pairs(4))
    return f"/campaigns/{name}/label"


def pairs(count: int) -> list[rlhf.Item]:
    return [rlhf.Item(f"Question {n}?", (f"kind answer {n}", f"curt answer {n}")) for n in range(count)]


def judgements(town: Town, name: str, rater: str = "anna") -> list[rlhf.Judgement]:
    with town.client() as client:
        return list(client.feedback.judgements(name, rater=rater))


def shown(page: Page) -> str:
    """The prompt on the page."""
    expect(page.locator("#card")).to_be_visible()
    return page.locator("#prompt").inner_text()


def press(page: Page, *keys: str) -> None:
    """Judges the pair that is shown, and waits for the next page."""
    shown(page)
    before = page.locator("#counts").inner_text()
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator("#counts")).not_to_have_text(before)


def test_a_campaign_by_keyboard(anna: Visitor, town: Town) -> None:
    page = anna.log_in(TOKEN["anna"], campaign(town, "keys"))
    expect(page.locator("#counts")).to_have_text("0 judged, 4 open")
    seen = [shown(page)]
    press(page, "1")
    seen.append(shown(page))
    press(page, "u")
    assert shown(page) == seen[0], "what was undone is asked again"
    press(page, "b")
    press(page, "n", *"both fine", "Enter", "t")
    press(page, "s", "2")
    press(page, "x")
    expect(page.locator("#nothing-title")).to_have_text("All done")
    found = judgements(town, "keys")
    standing = [judgement for judgement in found if not judgement.undone]
    assert [j.choice for j in found if j.undone] == ["first"]
    assert [j.choice for j in standing] == ["second", "tie", None, "both_bad"]
    assert [j.note for j in standing] == ["", "both fine", "", ""]
    assert standing[2].skip_reason == "I do not know the subject"
    assert all(0 < j.seconds < 120 for j in standing)


def test_a_campaign_by_mouse(anna: Visitor, town: Town) -> None:
    page = anna.log_in(TOKEN["anna"], campaign(town, "mouse"))
    for name in ("A is better", "B is better", "Equal"):
        before = shown(page)
        page.get_by_role("button", name=name).click()
        expect(page.locator("#prompt")).not_to_have_text(before)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#counts")).to_have_text("2 judged, 2 open")
    page.get_by_role("button", name="Skip").click()
    page.get_by_placeholder("Another reason").fill("in a language I do not read")
    page.get_by_role("dialog").get_by_role("button", name="Skip", exact=True).click()
    expect(page.locator("#counts")).to_have_text("3 judged, 1 open")
    page.get_by_role("button", name="Both bad").click()
    expect(page.locator("#nothing")).to_be_visible()
    standing = [judgement for judgement in judgements(town, "mouse") if not judgement.undone]
    assert [j.choice for j in standing] == ["first", "second", None, "both_bad"]
    assert standing[2].skip_reason == "in a language I do not read"


def test_the_focus_moves_as_one_reads(anna: Visitor, town: Town) -> None:
    page = anna.log_in(TOKEN["anna"], campaign(town, "focus"))
    shown(page)
    name = "at => at.id || at.getAttribute('aria-labelledby') || at.textContent.trim()"
    seen = []
    while not seen or seen[-1] != "keys":
        page.keyboard.press("Tab")
        seen.append(page.locator(":focus").evaluate(name))
        assert len(seen) < 30, seen
    top = ["Skip to content", "RLHF", "Campaigns", "Log out", "Guidelines G"]
    choices = ["A is better1", "Equal0", "Both badX", "B is better2"]
    assert seen == [*top, "prompt", "pane-0", "pane-1", *choices, "note", "skip", "keys"]


def test_a_reload_goes_on_where_it_was(anna: Visitor, town: Town) -> None:
    page = anna.log_in(TOKEN["anna"], campaign(town, "reload"))
    press(page, "1")
    before = shown(page)
    page.locator("#note").fill("half a thought")
    page.reload()
    assert shown(page) == before
    expect(page.locator("#note")).to_have_value("half a thought")
    expect(page.locator("#counts")).to_have_text("1 judged, 3 open")


def test_two_raters_at_once_keep_out_of_each_others_way(browser: Browser, anna: Visitor, town: Town) -> None:
    path = campaign(town, "two", pairs(3))
    with visitor(browser, town.url) as ben:
        pages = anna.log_in(TOKEN["anna"], path), ben.log_in(TOKEN["ben"], path)
        for _ in range(3):
            for page, key in zip(pages, ("1", "2"), strict=True):
                press(page, key)
        for page in pages:
            expect(page.locator("#nothing-title")).to_have_text("All done")
    assert [j.choice for j in judgements(town, "two", "anna")] == ["first"] * 3
    assert [j.choice for j in judgements(town, "two", "ben")] == ["second"] * 3


def test_pressed_twice_counts_once(anna: Visitor, town: Town) -> None:
    page = anna.log_in(TOKEN["anna"], campaign(town, "double"))
    shown(page)
    page.evaluate("for (let i = 0; i < 5; i++) document.querySelector('#choices button').click()")
    expect(page.locator("#counts")).to_have_text("1 judged, 3 open")
    assert len(judgements(town, "double")) == 1


def test_what_looks_like_a_script_is_shown_as_text(anna: Visitor, town: Town) -> None:
    page = anna.log_in(TOKEN["anna"], campaign(town, "nasty", [rlhf.Item(NASTY, (NASTY, "plain"))]))
    shown(page)
    for place in ("#prompt", "#panes"):
        text = page.locator(place).inner_text()
        assert "<script>" in text
        assert "onerror=" in text
        assert "javascript:document" in text
        assert page.locator(f"{place} img, {place} script, {place} a").count() == 0
        assert page.locator(f"{place} strong").first.inner_text() == "bold"
    assert "taken" not in page.title()


def test_strength_is_asked_where_the_campaign_wants_it(anna: Visitor, town: Town) -> None:
    page = anna.log_in(TOKEN["anna"], campaign(town, "strength", strength=True))
    shown(page)
    press(page, "2", "3")
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    press(page, "0")
    found = judgements(town, "strength")
    assert [(j.choice, j.strength) for j in found] == [("second", 3), ("tie", 0)]


def test_a_ranking_by_keyboard(anna: Visitor, town: Town) -> None:
    items = [rlhf.Item(f"Question {n}?", tuple(f"answer {n}.{k}" for k in range(4))) for n in range(2)]
    path = campaign(town, "ranking", items, kind="ranking", responses_per_item=4)
    page = anna.log_in(TOKEN["anna"], path)
    shown(page)
    for key in ("3", "1", "Backspace", "1", "=", "4"):
        page.keyboard.press(key)
    press(page, "2", "Enter")
    assert [j.ranking for j in judgements(town, "ranking")] == [[[2], [0, 3], [1]]]


def test_demonstrations_are_written_and_kept_over_a_reload(anna: Visitor, town: Town) -> None:
    path = campaign(town, "write", [rlhf.Item("Say hello.", ("Hi",))], kind="demonstration")
    page = anna.log_in(TOKEN["anna"], path)
    expect(page.locator("#text")).to_have_value("Hi")
    page.locator("#text").fill("Hello, how are you?")
    page.reload()
    expect(page.locator("#text")).to_have_value("Hello, how are you?")
    page.locator("#text").press("Control+Enter")
    expect(page.locator("#nothing")).to_be_visible()
    assert [j.demonstration for j in judgements(town, "write")] == ["Hello, how are you?"]
