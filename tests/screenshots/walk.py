"""The browser's part of docs/walk.md, and a picture of each step."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import rlhf
from playwright.sync_api import Page, expect

from services.simulator.annotators import Annotator, annotators
from tests.screenshots.document import Shell, steps
from tests.unit.gateway.browsing import SIZE, Visitor

DOZEN = 12
READING = 1200  # milliseconds, so that the time which the page measures is none of a machine
SECONDS = 1200.0


@dataclass(frozen=True)
class Walk:
    client: rlhf.Client
    shell: Shell
    visitor: Visitor
    pictures: Path

    def go(self) -> None:
        """Step 1 is what `rlhf up` does and has been done."""
        commands = steps()
        self.shell.run(commands[2])
        self.shell.run(commands[3])
        until(lambda: self.client.feedback.get("answers").state == "open")
        self.see("/campaigns", "1-campaigns")
        self.label(annotators("home", 1)[0])
        self.shell.run(commands[5])
        page = self.see("/campaigns/answers")
        expect(page.locator(".chart .main-svg").first).to_be_visible()
        page.set_viewport_size({**SIZE, "height": 1050})
        self.take(page, "4-agreement")
        page.locator("section", has=page.locator("#raters")).screenshot(path=self.pictures / "5-raters.png")
        self.shell.run(commands[6])
        self.watch_ppo(self.shell.start(commands[7]))
        self.shell.run(commands[8])
        self.compare()

    def see(self, path: str, name: str = "") -> Page:
        page = self.visitor.page(path)
        if name:
            self.take(page, name)
        return page

    def take(self, page: Page, name: str) -> None:
        page.screenshot(path=self.pictures / f"{name}.png")

    def label(self, person: Annotator) -> None:
        page = self.see("/campaigns/answers/label?rater=anna")
        page.keyboard.press("g")
        for count in range(DOZEN):
            expect(page.locator("#counts")).to_contain_text(f"{count} judged")
            prompt = page.locator("#prompt").inner_text()
            order, strength = person.rank(prompt, page.locator("#panes .prose").all_inner_texts())
            if count == DOZEN - 1:
                self.take(page, "2-label")
            page.wait_for_timeout(READING)
            page.keyboard.press("12"[order[0]])
            expect(page.get_by_role("dialog")).to_be_visible()
            if count == DOZEN - 1:
                self.take(page, "3-strength")
            page.keyboard.press(str(strength))
        expect(page.locator("#counts")).to_contain_text(f"{DOZEN} judged")
        page.close()

    def watch_ppo(self, command: subprocess.Popen[str]) -> None:
        until(lambda: command.poll() is not None or self.client.runs.list()[0].name == "aligned")
        run = self.client.runs.list()[0]
        page = self.see(f"/runs/{run.id}")
        expect(page.locator(".chart .main-svg").first).to_be_visible(timeout=1000 * SECONDS)
        self.shell.finish(command)
        expect(page.locator("#state")).to_have_text("succeeded")
        page.wait_for_timeout(1000)  # the page draws what came last
        self.take(page, "6-run")

    def compare(self) -> None:
        page = self.see("/playground")
        expect(page.locator("#left-model option[value=aligned]")).to_be_attached()
        page.locator("#left-model").select_option("aligned")
        page.locator("#right-model").select_option("assistant")
        for question in ("How do I make tea?", "I think the capital of Austria is Berlin. What do you say?"):
            shown = page.locator(".reward").count()
            page.get_by_label("Your message").fill(question)
            page.get_by_role("button", name="Send").click()
            expect(page.locator(".reward")).to_have_count(shown + 2, timeout=60_000)
        self.take(page, "7-playground")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"nothing after {SECONDS} s"
        time.sleep(0.2)
