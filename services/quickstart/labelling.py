"""A person judges some of the pairs on the labelling page, and the simulated raters the rest."""

import json
import random
import time
import webbrowser
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import rlhf

from services.local.process import check_http_health
from services.quickstart.material import LabelledPair
from services.quickstart.narrator import Narrator
from services.runtime.errors import Conflict, ServiceError

PAIRS = 20
RATER = "person"
POLL_SECONDS = 0.5
HEALTH_SECONDS = 10.0
GUIDELINES = """\
Which answer would you rather have got? Look, in this order, whether it

1. does what was asked, completely, and refuses what does harm,
2. says nothing that is wrong, also where the question itself does,
3. is short: no praise for the question, nothing twice.

*Equal* and *both bad* are answers too; the reward model learns nothing from them.
"""


class NothingToLabel(Conflict):
    pass


class PageEnded(ServiceError):
    pass


@dataclass(frozen=True)
class Judged:
    """`pairs` are those with a preference: the person's own; `asked` is how many were judged."""

    asked: int
    pairs: list[LabelledPair]


@dataclass(frozen=True)
class LabellingPage:
    """`url` is where the gateway of these services listens."""

    client: rlhf.Client
    url: str
    narrator: Narrator

    def judge(self, pairs: Sequence[LabelledPair], folder: Path) -> Judged:
        """Returns when a person has judged or skipped all of them. Raises PageEnded where nobody can any more."""
        campaign = self._open(pairs)
        address = f"{self.url}/campaigns/{campaign}/label?rater={RATER}"
        opened = "opened in your browser" if open_browser(address) else "open it in a browser"
        self.narrator.say(f"  {address} ({opened}; Ctrl-C ends the quickstart)")
        self.narrator.count("pairs judged", len(pairs), lambda: self._answered(campaign), POLL_SECONDS)
        self.client.feedback.close(campaign)
        # One person: each vote is what it is, and there is nobody to tell its reliability by.
        exported = self.client.feedback.download(campaign, folder / "labelled.jsonl", aggregation="votes")
        judged = Judged(len(pairs), [*preferences(pairs, exported)])
        self.narrator.say(f"  {len(judged.pairs)} preferences among them; runs can be watched at {self.url}/runs")
        return judged

    def _open(self, pairs: Sequence[LabelledPair]) -> str:
        campaign = f"quickstart-{time.strftime('%Y%m%d-%H%M%S')}"
        self.client.feedback.create(
            campaign,
            title="Which answer is better?",
            guidelines=GUIDELINES,
            # One person: nobody to agree with, and each pair once.
            overlap_share=0.0,
            gold_share=0.0,
            repeat_share=0.0,
        )
        self.client.feedback.add_items(campaign, [_item(pair) for pair in pairs])
        return campaign

    def _answered(self, campaign: str) -> int:
        """How many items have an answer that was not taken back; to skip is one, as nobody else would be asked."""
        try:
            check_http_health(urlsplit(self.url).netloc, HEALTH_SECONDS)
        except OSError as error:
            raise PageEnded(f"the labelling page at {self.url} has ended ({error}); see gateway.log") from error
        return len({judgement.item for judgement in self.client.feedback.judgements(campaign) if not judgement.undone})


def _item(pair: LabelledPair) -> rlhf.Item:
    answers = [pair.chosen, pair.rejected]  # the service decides which of them is shown first
    return rlhf.Item(pair.case.prompt, answers, sources=["sft", "sft"], domain=pair.case.family.replace("_", " "))


def for_a_person(pairs: Sequence[LabelledPair], seed: int) -> list[LabelledPair]:
    """PAIRS of them at random, each about another prompt. Raises NothingToLabel where there are none."""
    if not pairs:
        raise NothingToLabel(
            "the SFT model finished no two different answers to any prompt, so that there is nothing to label; "
            "run the quickstart without --fast or without --label"
        )
    shuffled = random.Random(f"person-{seed}").sample(pairs, len(pairs))
    return list({pair.case.prompt: pair for pair in shuffled}.values())[:PAIRS]


def preferences(asked: Iterable[LabelledPair], exported: Path) -> Iterable[LabelledPair]:
    """What the exported comparisons say of the pairs."""
    by_prompt = {pair.case.prompt: pair for pair in asked}
    for line in exported.read_text().splitlines():
        row = json.loads(line)
        pair, chosen, rejected = (row[side][-1]["content"] for side in ("prompt", "chosen", "rejected"))
        pair = by_prompt[pair]
        same = chosen == pair.chosen
        probability = pair.chosen_probability if same else 1 - pair.chosen_probability
        yield LabelledPair(pair.case, chosen, rejected, RATER, probability)


def mixed(pairs: Sequence[LabelledPair], asked: Sequence[LabelledPair], judged: Judged) -> list[LabelledPair]:
    """The person's word stands for those of all raters of a pair, and a pair without a preference is left out."""
    judgements, taken = Counter(map(_answers, pairs)), set(map(_answers, asked))
    others = [pair for pair in pairs if _answers(pair) not in taken]
    return others + [pair for pair in judged.pairs for _ in range(judgements[_answers(pair)])]


def _answers(pair: LabelledPair) -> tuple[str, frozenset[str]]:
    """The pair, whoever judged it."""
    return pair.case.prompt, frozenset((pair.chosen, pair.rejected))


def summary(asked: Sequence[LabelledPair], judged: Judged) -> dict:
    """For the report: how often the person chose as one of the simulated raters of the same pair did."""
    simulated = {pair.case.prompt: pair.chosen for pair in asked}
    same = sum(simulated[pair.case.prompt] == pair.chosen for pair in judged.pairs)
    return {"judged": judged.asked, "preferences": len(judged.pairs), "as_simulated": same}


def open_browser(address: str) -> bool:
    """In a window of its own; one that runs in the terminal would take it away from the quickstart."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    in_terminal = type(browser) is webbrowser.GenericBrowser
    return not in_terminal and browser.open(address)
