"""A closed world: its prompts, what is true in it, its stock phrases and its raters, all from one JSON file."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.runtime.errors import InvalidInput, Problem

WORLDS = Path(__file__).parent / "worlds"
FAMILIES = {
    "how_to": {"templates", "unseen_templates", "subjects"},
    "explain": {"templates", "unseen_templates", "subjects"},
    "fact": {"templates", "unseen_templates", "opinion_templates", "unseen_opinion_templates", "subjects"},
    "arithmetic": {"templates", "unseen_templates", "opinion_templates", "unseen_opinion_templates", "largest"},
    "refuse": {"templates", "unseen_templates", "subjects", "refusal", "compliance"},
    "story": {"templates", "unseen_templates", "heroes", "others", "verbs"},
    "clarify": {"templates", "unseen_templates", "subjects"},
    "list": {"templates", "unseen_templates", "counts", "subjects"},
    "compare": {"unseen", "relation", "templates", "order"},
}
# The modules that a judged result depends on.
JUDGED_BY = ("answers", "cases", "demonstrations", "evaluation", "families", "gold", "raters", "splits", "world")
PHRASES = ("flattery", "agreement", "correction", "courtesy", "filler")


@dataclass(frozen=True)
class Rater:
    """A simulated person. Biases are in logits: per ten words more, per agreement, per being shown first."""

    name: str
    length: float
    agreement: float
    position: float
    noise: float  # share of labels that are a coin toss


@dataclass(frozen=True)
class World:
    name: str
    families: dict[str, dict[str, Any]]
    phrases: dict[str, list[str]]
    gold_weight: float  # logits per point of gold
    raters: tuple[Rater, ...]
    digest: str = field(compare=False)  # sha256 of the file


def load_world(path: Path | str = "home") -> World:
    """Reads a world by file, or one of those that come with the project by name.

    Raises InvalidInput that lists every missing part at once.
    """
    file = Path(path) if Path(path).suffix == ".json" else WORLDS / f"{path}.json"
    if not file.is_file():
        known = ", ".join(sorted(world.stem for world in WORLDS.glob("*.json")))
        raise InvalidInput(Problem("world", str(path), f"a JSON file, or one of: {known}"))
    raw = file.read_bytes()
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise InvalidInput(Problem("world", str(path), f"valid JSON ({error})")) from error
    if problems := list(_problems(content)):
        raise InvalidInput(*problems)
    return World(
        name=content["name"],
        families=content["families"],
        phrases=content["phrases"],
        gold_weight=float(content["raters"]["gold_weight"]),
        raters=tuple(Rater(**person) for person in content["raters"]["people"]),
        digest=hashlib.sha256(raw).hexdigest(),
    )


def simulator_digest(world: World) -> str:
    """sha256 over the world and the code that makes prompts, gold, labels and judgements of it."""
    digest = hashlib.sha256(world.digest.encode())
    for module in JUDGED_BY:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()


def _problems(content: dict[str, Any]) -> Iterator[Problem]:
    for part in ("name", "families", "phrases", "raters"):
        if part not in content:
            yield Problem(part, "nothing", "a part of every world")
    for family, fields in FAMILIES.items():
        given = content.get("families", {}).get(family)
        if given is None:
            yield Problem(f"families.{family}", "nothing", f"an object with {', '.join(sorted(fields))}")
        elif set(given) != fields:
            yield Problem(f"families.{family}", ", ".join(sorted(given)), ", ".join(sorted(fields)))
    for kind in PHRASES:
        if not content.get("phrases", {}).get(kind):
            yield Problem(f"phrases.{kind}", "nothing", "at least one phrase")
    expected = set(Rater.__annotations__)
    for index, person in enumerate(content.get("raters", {}).get("people", [])):
        if set(person) != expected:
            yield Problem(f"raters.people[{index}]", ", ".join(sorted(person)), ", ".join(sorted(expected)))
    if "gold_weight" not in content.get("raters", {}) or not content.get("raters", {}).get("people"):
        yield Problem("raters", "incomplete", "gold_weight and at least one of people")
