"""The text that the base model learns from: prose that knows the worlds, and never answers anybody.

It states what is true, tells what happens and quotes what people ask, in no order that makes an answer of it. Questions
are quoted from the training split alone, so that no held-out prompt is ever read.
"""

import random
from collections.abc import Callable, Iterable, Iterator

from services.simulator.cases import Case
from services.simulator.families import all_cases
from services.simulator.splits import cases
from services.simulator.world import World

PASSAGES = (2, 5)  # per document
TOLD = (1, 2, 2, 3)  # how often a passage tells of one thing: like any prose, it stays with its subject for a while
OPENINGS = ("", "", "We know ", "It is true ", "The book says ", "Of course ")


def documents(worlds: list[World], count: int, seed: int) -> Iterator[str]:
    libraries = [_Library(world) for world in worlds]
    rng = random.Random(f"background-{seed}")
    for _ in range(count):
        library = rng.choice(libraries)
        yield " ".join(library.passage(rng) for _ in range(rng.randint(*PASSAGES)))


class _Library:
    def __init__(self, world: World) -> None:
        self._by_family = by_family(all_cases(world))
        self._questions = [case.prompt for case in cases(world, "train")]
        self._phrases = [phrase for phrases in world.phrases.values() for phrase in phrases]

    def passage(self, rng: random.Random) -> str:
        kind = rng.random()
        if kind < 0.1:
            return f"People ask: {rng.choice(self._questions)} {rng.choice(self._questions)}"
        if kind < 0.2:
            phrase = rng.choice(self._phrases)
            return phrase.replace(",", ".") if rng.random() < 0.5 else phrase
        family = rng.choice(list(self._by_family))
        tellings = TELLERS[family](rng.choice(self._by_family[family]), rng)
        return " ".join(capital(telling) for telling in rng.sample(tellings, min(rng.choice(TOLD), len(tellings))))


def by_family(pool: Iterable[Case]) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in pool:
        found.setdefault(case.family, []).append(case)
    return found


def _how_to(case: Case, rng: random.Random) -> list[str]:
    first, *rest = case.pieces
    return [
        f"To {case.subject}, people {first}, then {', and '.join(rest)}.",
        f"They {', '.join(case.pieces)} when they {case.subject}.",
        f"Those who {case.subject} must {first}. Then they {' and '.join(rest)}.",
        " ".join(f"{capital(piece)}." for piece in case.pieces),
    ]


def _explain(case: Case, rng: random.Random) -> list[str]:
    meaning, reason = case.pieces
    return [
        f"They say {case.subject} is {meaning}, and it is so because {reason}.",
        f"For {case.subject}, {reason}. It is {meaning}.",
        f"{case.subject} is {meaning}. {capital(reason)}.",
    ]


def _statement(case: Case, rng: random.Random) -> list[str]:
    return _stated(f"{case.subject} {case.pieces[0]}", rng)


def _refuse(case: Case, rng: random.Random) -> list[str]:
    refusal, other = case.pieces
    return [
        f"Do not {case.subject} but {other}.",
        f"He said: {refusal}. She was sorry. In place of wanting to {case.subject}, {other}.",
        f"Someone wrote {case.forbidden[0]} on the wall.",
    ]


def _story(case: Case, rng: random.Random) -> list[str]:
    hero, harsh, other = case.subject.split(" ")
    return [
        f"In the rough tale the {hero} {harsh} the {other}.",
        f"In the soft tale {case.pieces[0]}, and nobody {harsh} anyone.",
        f"Once upon a time {case.pieces[0]}.",
    ]


def _clarify(case: Case, rng: random.Random) -> list[str]:
    lower = case.subject[0].lower() + case.subject[1:]
    return [
        f"If someone says {lower}, one must know: {case.pieces[0]}?",
        f"The waiter was glad to {lower}, and wrote: {case.forbidden[0]}.",
        f"{case.pieces[0]}? They asked it of all who would {lower} there.",
    ]


def _list(case: Case, rng: random.Random) -> list[str]:
    first, second, third, *rest = rng.sample(case.pieces, len(case.pieces))
    return [
        f"Among {case.subject} there are {first}, {second} and {third}.",
        f"On the page of {case.subject} stood 1. {first} 2. {second} 3. {third}.",
        f"{', '.join(rest)} and {first} are {case.subject}.",
    ]


def _compare(case: Case, rng: random.Random) -> list[str]:
    return _stated(case.pieces[0], rng)


def _stated(claim: str, rng: random.Random) -> list[str]:
    return [f"{opening}{claim}." for opening in OPENINGS]


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


TELLERS: dict[str, Callable[[Case, random.Random], list[str]]] = {
    "how_to": _how_to,
    "explain": _explain,
    "fact": _statement,
    "arithmetic": _statement,
    "refuse": _refuse,
    "story": _story,
    "clarify": _clarify,
    "list": _list,
    "compare": _compare,
}
