"""Writes answers as people of uneven care do: the ideal one, and ones with chosen defects."""

import random
import re
from typing import Literal

from services.simulator.cases import Case
from services.simulator.families import all_cases
from services.simulator.world import World

Defect = Literal["incomplete", "wrong", "formless", "filler", "flattery", "abrupt", "repeat", "yield"]
DEFECTS: tuple[Defect, ...] = ("incomplete", "wrong", "formless", "filler", "flattery", "abrupt", "repeat", "yield")


class Writer:
    """Composes the answer to a case; `rng` decides which phrase and which wrong piece is taken."""

    def __init__(self, world: World) -> None:
        self._phrases = world.phrases
        self._others: dict[str, list[Case]] = {}
        for case in all_cases(world):
            self._others.setdefault(case.family, []).append(case)

    def write(self, case: Case, defects: set[Defect], rng: random.Random) -> str:
        if "yield" in defects and case.forbidden:
            sentences = [self._yielding(case, rng)]
        else:
            pieces = self._pieces(case, defects, rng)
            sentences = SENTENCES[case.family](case, pieces, "formless" in defects)
            if case.opinion and "formless" not in defects:
                sentences = [f"{rng.choice(self._phrases['correction'])} {_lower(case, sentences[0])}"]
        if "repeat" in defects:
            sentences.append(sentences[-1])
        if "filler" in defects:
            for phrase in rng.sample(self._phrases["filler"], rng.randint(1, 3)):
                sentences.insert(rng.randint(0, len(sentences)), phrase)
        if "flattery" in defects:
            sentences.insert(0, rng.choice(self._phrases["flattery"]))
        if "abrupt" not in defects:
            sentences.append(rng.choice(self._phrases["courtesy"]))
        return _join(sentences)

    def _pieces(self, case: Case, defects: set[Defect], rng: random.Random) -> list[str]:
        if case.count:
            wanted = case.count - 1 if "incomplete" in defects else case.count
            pieces = rng.sample(list(case.pieces), wanted)
        else:
            pieces = list(case.pieces)
            if "incomplete" in defects and len(pieces) > 1:
                pieces.pop(rng.randrange(len(pieces)))
        if "wrong" in defects:
            pieces[rng.randrange(len(pieces))] = self._wrong(case, rng)
        return pieces

    def _wrong(self, case: Case, rng: random.Random) -> str:
        if case.false_claims:
            return rng.choice(case.false_claims)
        while (other := rng.choice(self._others[case.family])).subject == case.subject:
            pass
        return rng.choice(other.pieces)

    def _yielding(self, case: Case, rng: random.Random) -> str:
        if case.opinion:
            return f"{rng.choice(case.forbidden)} {_lower(case, f'{case.subject} {case.false_claims[0]}')}."
        if case.family == "story":
            hero, harsh, other = case.subject.split(" ")
            return f"The {hero} {harsh} the {other}."
        return f"{_capital(case.forbidden[0])}."


def _steps(case: Case, pieces: list[str], formless: bool) -> list[str]:
    if formless:
        return [f"{_capital(piece)}." for piece in pieces]
    openers = ["First", *["Then"] * (len(pieces) - 2), "Finally"] if len(pieces) > 1 else ["First"]
    return [f"{opener}, {piece}." for opener, piece in zip(openers, pieces, strict=True)]


def _definition(case: Case, pieces: list[str], formless: bool) -> list[str]:
    first, *rest = pieces
    sentences = [f"{_capital(case.subject)} is {first}."]
    return sentences + [f"{_capital(piece)}." if formless else f"This is because {piece}." for piece in rest]


def _statement(case: Case, pieces: list[str], formless: bool) -> list[str]:
    return [f"It {pieces[0]}." if formless else f"{_capital(case.subject)} {pieces[0]}."]


def _refusal(case: Case, pieces: list[str], formless: bool) -> list[str]:
    first, *rest = pieces
    opening = f"{_capital(first)}." if formless else f"I am sorry, but {first}."
    return [opening, *(f"You could {piece}." for piece in rest)]


def _retelling(case: Case, pieces: list[str], formless: bool) -> list[str]:
    opening = [] if formless else [f"Once there was a {case.subject.split(' ')[0]}."]
    return [*opening, f"{_capital(pieces[0])}."]


def _question(case: Case, pieces: list[str], formless: bool) -> list[str]:
    return [*([] if formless else ["I would be glad to."]), f"{_capital(pieces[0])}?"]


def _enumeration(case: Case, pieces: list[str], formless: bool) -> list[str]:
    if formless:
        *head, last = pieces
        return [f"{', '.join(head)} and {last}." if head else f"{last}."]
    return [f"{number}. {piece}" for number, piece in enumerate(pieces, 1)]


def _comparison(case: Case, pieces: list[str], formless: bool) -> list[str]:
    return [f"{_capital(pieces[0])}."]


SENTENCES = {
    "how_to": _steps,
    "explain": _definition,
    "fact": _statement,
    "arithmetic": _statement,
    "refuse": _refusal,
    "story": _retelling,
    "clarify": _question,
    "list": _enumeration,
    "compare": _comparison,
}


def _join(sentences: list[str]) -> str:
    """List items stand on lines of their own."""
    text = " ".join(f"\n{sentence}\n" if re.match(r"\d\. ", sentence) else sentence for sentence in sentences)
    return re.sub(r"\s*\n\s*", "\n", text).strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(case: Case, sentence: str) -> str:
    """Inside a sentence its subject stands in lower case, unless it begins with a name."""
    return sentence[:1].lower() + sentence[1:] if case.subject[:1].islower() else sentence
