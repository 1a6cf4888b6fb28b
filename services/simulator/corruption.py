"""Text in which some of what is stated is another subject's: what the base encoder learns to tell apart.

It is background text, in most documents beside a question of the training split. No answer is in it, and nothing says
how good one is.
"""

import dataclasses
import math
import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.simulator.background import TELLERS, by_family, capital
from services.simulator.cases import Case
from services.simulator.families import all_cases
from services.simulator.splits import cases
from services.simulator.world import World

PASSAGES = (1, 1, 2)  # per document
ASKED_SHARE = 0.75  # of the documents: a question stands before them
PHRASE_SHARE = 0.1  # of the passages that nobody asked for: they state nothing
STRAY_SHARE = 0.2  # of the passages that somebody asked for: they tell of another subject
TAMPERED_SHARE = 0.6  # of the others: some of their statements are another subject's
MOST_TAMPERED = 2  # statements of a passage
CANDIDATES = 8  # of which the one most like the true statement takes its place

Span = tuple[int, int]  # from, to: characters
Tellings = Callable[[Case, random.Random], list[str]]


class Passage(NamedTuple):
    text: str
    wrong: list[Span]  # what does not belong there


class Document(NamedTuple):
    question: str  # empty where nobody asks
    text: str
    wrong: list[Span]  # of `text`


class CorruptedLibrary:
    def __init__(self, world: World) -> None:
        self._phrases = [phrase for phrases in world.phrases.values() for phrase in phrases]
        self._known, self._asked = _Cases(all_cases(world)), _Cases(cases(world, "train"))

    def document(self, rng: random.Random) -> Document:
        asked = self._asked.draw(rng) if rng.random() < ASKED_SHARE else None
        passages = [self._asked_for(asked, rng)] if asked else []
        passages += [self._passage(rng) for _ in range(rng.choice(PASSAGES) - len(passages))]
        rng.shuffle(passages)
        text, wrong = "", []
        for passage in passages:
            start = len(text) + 1 if text else 0
            text = f"{text} {passage.text}" if text else passage.text
            wrong += [(start + first, start + last) for first, last in passage.wrong]
        return Document(asked.prompt if asked else "", text, wrong)

    def _asked_for(self, case: Case, rng: random.Random) -> Passage:
        stray = rng.random() <= STRAY_SHARE
        drawn = self._known.some(case.family, rng) if stray else []
        others = [other for other in drawn if other.subject != case.subject]
        if not others:
            return self._told(case, _tellings, rng)
        text = rng.choice(_tellings(max(others, key=lambda other: _likeness(case.subject, other.subject)), rng))
        return Passage(text, [(0, len(text))])

    def _passage(self, rng: random.Random) -> Passage:
        if rng.random() < PHRASE_SHARE:
            return Passage(rng.choice(self._phrases), [])
        return self._told(self._known.draw(rng), _tellings_that_name, rng)

    def _told(self, case: Case, tellings: Tellings, rng: random.Random) -> Passage:
        if rng.random() > TAMPERED_SHARE:
            return Passage(rng.choice(tellings(case, rng)), [])
        pieces = list(case.pieces)
        for place in rng.sample(range(len(pieces)), min(rng.randint(1, MOST_TAMPERED), len(pieces))):
            pieces[place] = self._instead_of(pieces[place], case, rng)
        text = rng.choice(tellings(dataclasses.replace(case, pieces=tuple(pieces)), rng))
        return Passage(text, [span for piece in set(pieces) - set(case.pieces) for span in _spans(piece, text)])

    def _instead_of(self, piece: str, case: Case, rng: random.Random) -> str:
        """What is said to be wrong of the subject, or said of another one."""
        if case.false_claims and (_names_its_subject(case) or rng.random() < 0.5):
            return rng.choice(case.false_claims)
        others = [rng.choice(other.pieces) for other in self._known.some(case.family, rng)]
        return max(others, key=lambda other: (other != piece, _likeness(piece, other)))


class _Cases:
    """By family; one is the likelier the more there is to know of it: by the logarithm of its subjects."""

    def __init__(self, pool: Iterable[Case]) -> None:
        self._by_family = by_family(pool)
        self._weights = [math.log(len({case.subject for case in found})) for found in self._by_family.values()]

    def draw(self, rng: random.Random) -> Case:
        (family,) = rng.choices(list(self._by_family), self._weights)
        return rng.choice(self._by_family[family])

    def some(self, family: str, rng: random.Random) -> list[Case]:
        return rng.choices(self._by_family[family], k=CANDIDATES)


def _likeness(one: str, other: str) -> int:
    """Words that both have."""
    return len(set(one.split()) & set(other.split()))


def _tellings(case: Case, rng: random.Random) -> list[str]:
    return [capital(telling) for telling in TELLERS[case.family](case, rng)]


def _tellings_that_name(case: Case, rng: random.Random) -> list[str]:
    """Such that a reader knows of what: those with the subject in them, or else all of them as one."""
    tellings = _tellings(case, rng)
    if _names_its_subject(case):
        return tellings
    return [t for t in tellings if case.subject.lower() in t.lower()] or [" ".join(tellings)]


def _names_its_subject(case: Case) -> bool:
    """A comparison's statement names both that it compares; of another pair it would be true as well."""
    return case.family == "compare"


def _spans(piece: str, text: str) -> list[Span]:
    found, lower, piece = [], text.lower(), piece.lower()
    start = lower.find(piece)
    while start >= 0:
        found.append((start, start + len(piece)))
        start = lower.find(piece, start + 1)
    return found
