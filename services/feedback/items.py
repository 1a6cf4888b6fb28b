"""What is to be judged: a prompt with its responses."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from services.data.records import ROLES, Message, Prompt
from services.runtime.errors import Problem

MAX_TEXT = 65_536  # characters of a prompt's message, or of a response
MAX_MESSAGES = 200
MAX_LABEL = 200  # characters of a domain or a source
PAIR = 2
RANKED = range(3, 9)  # how many responses can be ranked


@dataclass(frozen=True)
class Item:
    prompt: Prompt
    responses: tuple[str, ...]  # two, or those to rank; of a demonstration the draft, or none
    id: str = ""  # given when it is added to a campaign
    sources: tuple[str, ...] = ()  # what made each response; one for each, or none
    domain: str = ""
    gold: int | None = None  # the response that is known to be better
    propensity: float = 1.0  # probability that it was drawn


def item_to_json(item: Item) -> dict[str, Any]:
    return {key: value for key, value in asdict(item).items() if value not in ("", (), None)}


def item_from_json(values: dict[str, Any]) -> Item:
    prompt = tuple(Message(**message) for message in values.pop("prompt"))
    responses, sources = tuple(values.pop("responses", ())), tuple(values.pop("sources", ()))
    return Item(prompt, responses, sources=sources, **values)


def num_bytes(item: Item) -> int:
    """Of its texts in memory, about."""
    return sum(map(len, item.responses)) + sum(len(message.content) for message in item.prompt)


def problems_of(items: Sequence[Item], sizes: range, field: str = "items") -> Iterator[Problem]:
    """`sizes` says how many responses an item may have."""
    for index, item in enumerate(items):
        for problem in _problems(item, sizes):
            yield replace(problem, field=f"{field}[{index}].{problem.field}")


def _problems(item: Item, sizes: range) -> Iterator[Problem]:
    if not any(message.content.strip() for message in item.prompt):
        yield Problem("prompt", "nothing", "at least one message with text")
    if len(item.prompt) > MAX_MESSAGES:
        yield Problem("prompt", f"{len(item.prompt)} messages", f"at most {MAX_MESSAGES}")
    for place, message in enumerate(item.prompt):
        if message.role not in ROLES:
            yield Problem(f"prompt[{place}].role", repr(message.role[:40]), f"one of {', '.join(ROLES)}")
        yield from _long(f"prompt[{place}].content", message.content, MAX_TEXT)
    if len(item.responses) not in sizes:
        yield Problem("responses", str(len(item.responses)), f"{sizes.start} to {sizes.stop - 1}")
    for place, response in enumerate(item.responses):
        if not response.strip():
            yield Problem(f"responses[{place}]", "nothing", "a text")
        yield from _long(f"responses[{place}]", response, MAX_TEXT)
    if len(set(item.responses)) < len(item.responses):
        yield Problem("responses", "the same text twice", "different responses")
    yield from _facts(item)


def _facts(item: Item) -> Iterator[Problem]:
    if item.sources and len(item.sources) != len(item.responses):
        yield Problem("sources", str(len(item.sources)), f"none, or one for each of {len(item.responses)} responses")
    for name, value in (("domain", item.domain), *((f"sources[{i}]", s) for i, s in enumerate(item.sources))):
        yield from _long(name, value, MAX_LABEL)
    if item.gold is not None and (len(item.responses) != PAIR or item.gold not in (0, 1)):
        yield Problem("gold", str(item.gold), "0 or 1, for an item with two responses")
    if not 0 < item.propensity <= 1:
        yield Problem("propensity", str(item.propensity), "a probability above 0")


def _long(field: str, text: str, limit: int) -> Iterator[Problem]:
    if len(text) > limit:
        yield Problem(field, f"{len(text)} characters", f"at most {limit}")
