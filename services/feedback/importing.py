"""Files that people bring: items to judge, gold items, judgements that were made elsewhere."""

import asyncio
import dataclasses
import hashlib
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from services.data import Comparison, Demonstration, Record, read
from services.data.files import ENDINGS, read_rows
from services.data.formats.format import BadValue
from services.data.reading import BadRow, problems
from services.feedback.answers import Choice, Preference
from services.feedback.archive import Batch
from services.feedback.campaign import Campaign
from services.feedback.import_rows import FORMATS, IMPORTED, ImportedRow, Row, RowFormat, Said
from services.feedback.items import Item
from services.feedback.judgements import FIRST_TIME, Judgement, judgement_id
from services.feedback.raters import check_rater
from services.feedback.recipe import CampaignKind
from services.runtime.errors import InvalidInput, Problem

ENDING = re.compile(rf".*?((?:{'|'.join(map(re.escape, ENDINGS))})(?:\.gz)?)", re.DOTALL)
DIGEST = re.compile(r"[0-9a-f]{64}")


class ImportKind(StrEnum):
    ITEMS = "items"
    GOLD = "gold"
    JUDGEMENTS = "judgements"


@dataclass(frozen=True)
class Header:
    kind: ImportKind
    filename: str
    sha256: str
    field_map: Mapping[str, str] = field(default_factory=dict)
    max_bad: int = 0


@dataclass(frozen=True)
class Outcome:
    items: int
    judgements: int
    bad: int
    detected_format: str


@dataclass(frozen=True)
class FileRows:
    rows: list[ImportedRow]
    bad: int
    detected_format: str


class Importer:
    """One file at a time."""

    def __init__(self, work_dir: Path, max_bytes: int) -> None:
        self._work_dir, self._max_bytes = work_dir, max_bytes
        self._busy = asyncio.Lock()

    async def take(self, campaign: Campaign, header: Header, chunks: AsyncIterator[bytes]) -> Outcome:
        """Idempotent: the same file for the same purpose brings nothing new."""
        ending = _checked(campaign, header)
        self._work_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="import-", dir=self._work_dir) as folder:
            path = Path(folder) / f"file{ending}"
            await self._receive(path, header, chunks)
            request = f"import:{header.kind}:{header.sha256}"
            async with self._busy, campaign.changing:
                if campaign.added(request):
                    return Outcome(0, 0, 0, "imported before")
                campaign.require_open()
                found = await asyncio.to_thread(_rows, path, header, campaign.spec.kind)
                items, said = merged(found.rows, header.kind, random.Random(f"sides-{header.sha256}"))
                judgements = _judgements(items, said, request) if header.kind is ImportKind.JUDGEMENTS else []
                batch: Batch = await campaign.add(request, items, judgements)
        return Outcome(len(batch.items), len(batch.judgements), found.bad, found.detected_format)

    async def _receive(self, path: Path, header: Header, chunks: AsyncIterator[bytes]) -> None:
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._max_bytes:
                    expected = f"at most {self._max_bytes >> 20} MiB"
                    raise InvalidInput(Problem("file", f"{size} bytes or more", expected))
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != header.sha256:
            raise InvalidInput(Problem("sha256", digest.hexdigest(), f"{header.sha256} of the header"))


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


def _rows(path: Path, header: Header, kind: CampaignKind) -> FileRows:
    rows = list(read_rows(path))
    first = next((row.values for row in rows if isinstance(row.values, dict)), {})
    chosen = next((f for f in FORMATS if all(header.field_map.get(c, c) in first for c in f.columns)), None)
    if chosen is None:
        return _records(path, header, kind)
    found, bad = [], []
    for row in rows:
        try:
            if isinstance(row.values, BadValue):
                raise row.values
            found.append(_parsed(chosen, row.values, header.field_map))
        except BadValue as error:
            bad.append(BadRow(f"{header.filename[-60:]}:{row.line}", error.field, error.got, error.expected))
    if len(bad) > header.max_bad:
        given = f"{len(bad)} bad of {len(rows)} rows"
        raise InvalidInput(Problem("max_bad", given, f"at most {header.max_bad}"), *problems(bad))
    return FileRows(found, len(bad), chosen.name)


def _parsed(chosen: RowFormat, values: Row, field_map: Mapping[str, str]) -> ImportedRow:
    row = chosen.parse({**values, **{name: values.get(column) for name, column in field_map.items()}})
    for one in row.said:
        try:
            check_rater("rater", one.rater)
        except InvalidInput as error:
            raise BadValue("rater", one.rater, error.problems[0].expected) from None
    return row


def _records(path: Path, header: Header, kind: CampaignKind) -> FileRows:
    """Every other format that datasets come in."""
    wanted = "comparison" if kind is CampaignKind.COMPARISON else None
    result = read(path, header.field_map, wanted, header.max_bad)
    raters = Counter[tuple]()
    return FileRows([_row(record, raters) for record in result.records], len(result.bad), result.detected_format)


def _row(record: Record, raters: Counter[tuple]) -> ImportedRow:
    """Nobody says who chose: a pair that stands there several times was judged by as many."""
    if isinstance(record, Comparison):
        item = Item(record.prompt, (record.chosen, record.rejected))
        key = (record.prompt, *sorted(item.responses))
        raters[key] += 1
        return ImportedRow(item, [Said(f"{IMPORTED}-{raters[key]}", Preference(Choice.FIRST))])
    draft = (record.response,) if isinstance(record, Demonstration) else ()
    return ImportedRow(Item(record.prompt, draft))


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
        given = "contradictory labels" if choices else "no preference"
        raise InvalidInput(Problem(f"item {place + 1}", given, "one response that is known to be better"))
    return int(choices.pop() or 0)


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
