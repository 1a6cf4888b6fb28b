"""The browser's part of docs/walk.md, and a picture of each step."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import rlhf
from playwright.sync_api import Page, expect

from services.simulator.families import all_cases
from services.simulator.gold import GoldJudge
from services.simulator.world import World, load_world
from tests.screenshots.document import Shell, steps
from tests.unit.gateway.browsing import SIZE, Visitor

DOZEN = 12
READING = 1200  # milliseconds, so that the time which the page measures is none of a machine
SECONDS = 1200.0
EQUAL, BETTER, MUCH_BETTER = 0.1, 0.5, 1.5  # points of gold


class CarefulPerson:
    """Who knows what is right and follows the guidelines."""

    def __init__(self, world: World) -> None:
        self._cases = {case.prompt: case for case in all_cases(world)}
        self._judge = GoldJudge(world)

    def judge(self, prompt: str, answers: Sequence[str]) -> tuple[str, str]:
        """The key to press, and then the one for how much better, where one is."""
        first, second = (self._judge.judge(self._cases[prompt], answer).score for answer in answers)
        lead = abs(first - second)
        if lead < EQUAL:
            return "0", ""
        return ("1" if first > second else "2"), str(1 + (lead > BETTER) + (lead > MUCH_BETTER))


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
        self.label(CarefulPerson(load_world("home")))
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

    def label(self, person: CarefulPerson) -> None:
        page, pictured = self.see("/campaigns/answers/label?rater=anna"), False
        page.keyboard.press("g")
        for count in range(DOZEN):
            expect(page.locator("#counts")).to_contain_text(f"{count} judged")
            page.wait_for_timeout(READING)
            texts = page.locator("#panes .prose").all_inner_texts()
            choice, strength = person.judge(page.locator("#prompt").inner_text(), texts)
            picture = strength and count and not pictured
            if picture:
                self.take(page, "2-label")
            page.keyboard.press(choice)
            if strength:
                expect(page.get_by_role("dialog")).to_be_visible()
                if picture:
                    self.take(page, "3-strength")
                page.keyboard.press(strength)
            pictured = bool(pictured or picture)
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
