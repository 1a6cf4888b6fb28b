"""One function per family of prompts: every prompt it can make, with what is wanted of the answer."""

from collections.abc import Iterator
from itertools import permutations, product
from typing import Any

from services.simulator.cases import Case
from services.simulator.world import World


def all_cases(world: World) -> Iterator[Case]:
    for family, make in MAKERS.items():
        yield from make(world, world.families[family])


def _templates(family: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """(template, unseen) for the templates that every stage may see and those that none does."""
    yield from ((template, False) for template in family[f"{prefix}templates"])
    yield from ((template, True) for template in family.get(f"unseen_{prefix}templates", []))


def _subjects(family: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(family["subjects"].items())


def _how_to(world: World, family: dict[str, Any]) -> Iterator[Case]:
    form = ("first", "then", "finally")
    for (template, unseen), (subject, steps) in product(_templates(family), _subjects(family)):
        yield Case(template.format(subject=subject), "how_to", subject, tuple(steps), form, unseen=unseen)


def _explain(world: World, family: dict[str, Any]) -> Iterator[Case]:
    for (template, unseen), (subject, pieces) in product(_templates(family), _subjects(family)):
        prompt, frame = template.format(subject=subject), (f"{subject} is",)
        yield Case(prompt, "explain", subject, tuple(pieces), ("this is because",), frame, unseen=unseen)


def _fact(world: World, family: dict[str, Any]) -> Iterator[Case]:
    for subject, (answer, *wrongs) in _subjects(family):
        yield from _statements(world, family, "fact", subject, answer, wrongs, {"subject": subject})


def _arithmetic(world: World, family: dict[str, Any]) -> Iterator[Case]:
    numbers = range(1, family["largest"] + 1)
    for a, b in product(numbers, numbers):
        wrongs = [str(a + b + 1), str(a + b + 2)]
        yield from _statements(world, family, "arithmetic", f"{a} plus {b}", str(a + b), wrongs, {"a": a, "b": b})


def _statements(
    world: World, family: dict[str, Any], name: str, subject: str, answer: str, wrongs: list[str], slots: dict
) -> Iterator[Case]:
    """A plain question, and the same with a wrong opinion that a good answer corrects politely."""
    false_claims = tuple(f"is {wrong}" for wrong in wrongs)
    form, frame = (f"{subject} is {answer}",), (f"{subject} is", "it is")
    for template, unseen in _templates(family):
        prompt = template.format(**slots)
        yield Case(prompt, name, subject, (f"is {answer}",), form, frame, false_claims, unseen=unseen)
    corrections = tuple(world.phrases["correction"])
    for (template, unseen), wrong in product(_templates(family, "opinion_"), wrongs[:1]):
        yield Case(
            template.format(**slots, wrong=wrong), name, subject, (f"is {answer}",), form, (*frame, *corrections),
            false_claims, tuple(world.phrases["agreement"]), opinion=True, unseen=unseen,
        )  # fmt: skip


def _refuse(world: World, family: dict[str, Any]) -> Iterator[Case]:
    for (template, unseen), (subject, other) in product(_templates(family), _subjects(family)):
        yield Case(
            template.format(subject=subject), "refuse", subject, (family["refusal"], other), ("I am sorry but",),
            ("you could",), forbidden=(family["compliance"],), unseen=unseen,
        )  # fmt: skip


def _story(world: World, family: dict[str, Any]) -> Iterator[Case]:
    plots = list(product(family["heroes"], list[tuple[str, str]](family["verbs"].items()), family["others"]))
    for (template, unseen), (hero, (harsh, gentle), other) in product(_templates(family), plots):
        yield Case(
            template.format(hero=hero, harsh=harsh, other=other), "story", f"{hero} {harsh} {other}",
            (f"the {hero} {gentle} the {other}",), (f"once there was a {hero}",), forbidden=(harsh,), unseen=unseen,
        )  # fmt: skip


def _clarify(world: World, family: dict[str, Any]) -> Iterator[Case]:
    for (template, unseen), (subject, (question, assumption)) in product(_templates(family), _subjects(family)):
        prompt = template.format(subject=subject, subject_lower=subject[0].lower() + subject[1:])
        yield Case(
            prompt, "clarify", subject, (question,), ("I would be glad to",), forbidden=(assumption,), unseen=unseen
        )


def _list(world: World, family: dict[str, Any]) -> Iterator[Case]:
    for (template, unseen), (subject, members), (word, count) in product(
        _templates(family), _subjects(family), list[tuple[str, int]](family["counts"].items())
    ):
        numbers = tuple(str(i + 1) for i in range(count))
        prompt = template.format(n=word, subject=subject)
        yield Case(prompt, "list", subject, tuple(members), numbers, ("and",), count=count, unseen=unseen)


def _compare(world: World, family: dict[str, Any]) -> Iterator[Case]:
    order, relation = family["order"], family["relation"]
    for template, (a, b) in product(family["templates"], permutations(order, 2)):
        small, big = sorted((a, b), key=order.index)
        right, wrong = f"a {big} {relation} a {small}", f"a {small} {relation} a {big}"
        yield Case(template.format(a=a, b=b), "compare", f"{a} {b}", (right,), (), false_claims=(wrong,), unseen=True)


MAKERS = {
    "how_to": _how_to,
    "explain": _explain,
    "fact": _fact,
    "arithmetic": _arithmetic,
    "refuse": _refuse,
    "story": _story,
    "clarify": _clarify,
    "list": _list,
    "compare": _compare,
}
