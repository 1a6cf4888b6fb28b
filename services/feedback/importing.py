"""Files that people bring: items to judge, gold items, judgements that were made elsewhere."""

import asyncio
import dataclasses
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.data.files import ENDINGS
from services.feedback.answers import Choice, Preference
from services.feedback.archive import Batch
from services.feedback.assignment import MAX_RATERS
from services.feedback.campaign import Campaign
from services.feedback.import_files import Header, ImportKind, file_rows
from services.feedback.import_rows import ImportedRow, Said
from services.feedback.items import Item
from services.feedback.judgements import FIRST_TIME, Judgement, judgement_id
from services.feedback.recipe import CampaignKind
from services.runtime.errors import InvalidInput, Problem
from services.storage.receiving import DIGEST, FileHeader, incoming, receive, single_file, unpacked

ENDING = re.compile(rf".*?((?:{'|'.join(map(re.escape, ENDINGS))})(?:\.gz)?)", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """What a file holds; `judgements` name their items by place."""

    items: list[Item]
    judgements: list[Judgement]
    bad: int
    detected_format: str


@dataclass(frozen=True)
class Outcome:
    items: int
    judgements: int
    bad: int
    detected_format: str


class Importer:
    """One file at a time."""

    def __init__(self, work_dir: Path, max_bytes: int) -> None:
        self._work_dir, self._max_bytes = work_dir, max_bytes
        self._busy = asyncio.Lock()

    async def take(self, campaign: Campaign, header: Header, requests: AsyncIterator[Any]) -> Outcome:
        """Idempotent: the same file for the same purpose brings nothing new. `requests` are those after the header."""
        ending = _checked(campaign, header)
        with incoming(self._work_dir) as folder:
            parts = single_file(FileHeader(f"file{ending}", header.sha256), requests)
            paths = await receive(parts, folder, self._max_bytes)
            request = f"import:{header.kind}:{header.sha256}"
            async with self._busy, campaign.changing:
                if campaign.added(request):
                    return Outcome(0, 0, 0, "imported before")
                campaign.require_open()
                found = await asyncio.to_thread(self._read, paths[0], header, campaign.spec.kind, request)
                _require_places(campaign, found.judgements)
                batch: Batch = await campaign.add(request, found.items, found.judgements)
        return Outcome(len(batch.items), len(batch.judgements), found.bad, found.detected_format)

    def _read(self, path: Path, header: Header, kind: CampaignKind, request: str) -> Found:
        found = file_rows(unpacked(path, self._max_bytes), header, kind, self._max_bytes)
        items, said = merged(found.rows, header.kind, random.Random(f"sides-{header.sha256}"))
        judgements = _judgements(items, said, request) if header.kind is ImportKind.JUDGEMENTS else []
        return Found(items, judgements, found.bad, found.detected_format)


def merged(
    rows: Sequence[ImportedRow], kind: ImportKind, rng: random.Random
) -> tuple[list[Item], list[tuple[int, Said]]]:
    """Rows about the same responses to the same prompt are one item; what was said names it by its place.

    The responses are shuffled, so that no place tells which one a file had preferred.
    """
    places: dict[tuple, int] = {}
    items: list[Item] = []
    said: list[tuple[int, Said]] = []
    for row in rows:
        key = (row.item.prompt, tuple(sorted(row.item.responses)), row.item.gold is not None)
        if key not in places:
            places[key] = len(items)
            order = list(range(len(row.item.responses)))
            rng.shuffle(order)
            items.append(_reordered(row.item, order))
        item = items[places[key]]
        if _better(item) != _better(row.item):
            raise _no_truth(places[key])
        said += [(places[key], _in_order_of(item, row.item, one)) for one in row.said]
    if kind is ImportKind.GOLD:
        return [dataclasses.replace(item, gold=_gold(item, place, said)) for place, item in enumerate(items)], []
    return items, said


def _checked(campaign: Campaign, header: Header) -> str:
    """The file's ending. What else its name holds is used for nothing."""
    ending = ENDING.fullmatch(header.filename.lower())
    if not ending:
        raise InvalidInput(
            Problem("filename", repr(header.filename[-60:]), f"a name that ends in {', '.join(ENDINGS)} (.gz)")
        )
    if not DIGEST.fullmatch(header.sha256):
        raise InvalidInput(Problem("sha256", repr(header.sha256[:80]), "64 hex digits"))
    if header.kind is not ImportKind.ITEMS and campaign.spec.kind is not CampaignKind.COMPARISON:
        given = f"{header.kind} for a {campaign.spec.kind} campaign"
        raise InvalidInput(Problem("kind", given, "items, which every kind of campaign takes"))
    return ending[1]


def _require_places(campaign: Campaign, judgements: Sequence[Judgement]) -> None:
    raters = campaign.tally.raters.keys() | {judgement.rater for judgement in judgements}
    if len(raters) > MAX_RATERS:
        raise InvalidInput(Problem("rater", f"{len(raters)} raters in all", f"at most {MAX_RATERS} in a campaign"))


def _reordered(item: Item, order: Sequence[int]) -> Item:
    return dataclasses.replace(
        item,
        responses=tuple(item.responses[place] for place in order),
        sources=tuple(item.sources[place] for place in order) if item.sources else (),
        gold=None if item.gold is None else list(order).index(item.gold),
    )


def _in_order_of(item: Item, given: Item, said: Said) -> Said:
    """An answer about the responses as the file has them, in positions of the item."""
    position = said.answer.choice.position if isinstance(said.answer, Preference) else None
    if not isinstance(said.answer, Preference) or position is None:
        return said
    first = item.responses[0] == given.responses[position]
    answer = dataclasses.replace(said.answer, choice=Choice.FIRST if first else Choice.SECOND)
    return dataclasses.replace(said, answer=answer)


def _gold(item: Item, place: int, said: Sequence[tuple[int, Said]]) -> int:
    if item.gold is not None:
        return item.gold
    choices = {one.answer.choice.position for at, one in said if at == place and isinstance(one.answer, Preference)} - {
        None
    }
    if len(choices) != 1:
        raise _no_truth(place, "contradictory labels" if choices else "no preference")
    return int(choices.pop() or 0)


def _better(item: Item) -> str | None:
    """The response that is known to be better, where it is known."""
    return None if item.gold is None else item.responses[item.gold]


def _no_truth(place: int, given: str = "contradictory labels") -> InvalidInput:
    return InvalidInput(Problem(f"item {place + 1}", given, "one response that is known to be better"))


def _judgements(items: Sequence[Item], said: Sequence[tuple[int, Said]], request: str) -> list[Judgement]:
    """Later ones on the same item by the same rater replace earlier ones, as they would have in the campaign."""
    numbers, now = Counter[str](), time.time()
    found: dict[tuple[str, int], Judgement] = {}
    for place, one in said:
        numbers[one.rater] += 1
        found[one.rater, place] = Judgement(
            id=judgement_id(one.rater, f"{request}:{place}"),
            rater=one.rater,
            number=numbers[one.rater],
            at=now,
            item=str(place),
            occasion=FIRST_TIME,
            order=(0, 1),
            answer=one.answer,
            note=one.note,
            milliseconds=one.milliseconds,
        )
    return list(found.values())
