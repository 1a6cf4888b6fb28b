"""One campaign in memory, and the only one who writes its objects."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from services.feedback.archive import Archive, Batch, CampaignRecord, End
from services.feedback.assignment import Assigner
from services.feedback.items import Item, num_bytes, problems_of
from services.feedback.judgements import Judgement
from services.feedback.recipe import CampaignSpec
from services.feedback.tally import Tally
from services.runtime.errors import Conflict, InvalidInput, Problem

SOURCE = "source"  # the request of the batch that the spec's own source made


class CampaignState(StrEnum):
    PREPARING = "preparing"
    OPEN = "open"
    CLOSED = "closed"
    FAILED = "failed"


class Campaign:
    """Everything is written to storage before anybody sees it."""

    def __init__(
        self, archive: Archive, record: CampaignRecord, max_items: int, max_bytes: int, lease_seconds: float
    ) -> None:
        self.record = record
        self.tally = Tally(record.spec.overlap, record.spec.overlap_share)
        self.assigner = Assigner(record.key, record.spec, self.tally, lease_seconds)
        self.guidelines = [record.spec.guidelines]  # by version
        self.end: End | None = None
        self.preparing = "waits to be prepared"  # what it is busy with, in words
        self.rater_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.changing = asyncio.Lock()  # held from reading what there is of items and guidelines to changing it
        self._archive, self._max_items, self._max_bytes = archive, max_items, max_bytes
        self._num_bytes = 0
        self._batches: dict[str, Batch] = {}  # by request

    @property
    def name(self) -> str:
        return self.record.spec.name

    @property
    def spec(self) -> CampaignSpec:
        return self.record.spec

    @property
    def state(self) -> CampaignState:
        if self.end:
            return CampaignState.FAILED if self.end.failure else CampaignState.CLOSED
        prepared = not self.spec.has_source or SOURCE in self._batches
        return CampaignState.OPEN if prepared else CampaignState.PREPARING

    @property
    def reason(self) -> str:
        if self.end:
            return self.end.failure
        return self.preparing if self.state is CampaignState.PREPARING else ""

    def load(self) -> None:
        """From storage, at the start of the service."""
        self.guidelines += self._archive.read_guidelines(self.name)
        self.end = self._archive.read_end(self.name)
        for batch in self._archive.read_batches(self.name):
            self._take(batch)
        for judgement in self._archive.read_judgements(self.name):
            self.tally.apply(judgement)

    def tell(self, what: str) -> None:
        """What it is busy with while it is prepared, in words. Raises Conflict where it has ended meanwhile."""
        if self.end:
            self.require_open()
        self.preparing = what

    def require_open(self) -> None:
        if self.state is not CampaignState.OPEN:
            raise Conflict(f"campaign {self.name} is {self.state}" + (f": {self.reason}" if self.reason else ""))

    def added(self, request: str) -> Batch | None:
        """What this request brought when it was made before."""
        return self._batches.get(request)

    async def add(self, request: str, items: Sequence[Item], judgements: Sequence[Judgement] = ()) -> Batch:
        """Gives the items their ids; `judgements` name them by their places in `items`. The caller holds `changing`."""
        if problems := list(problems_of(items, self.spec.sizes)):
            raise InvalidInput(*problems[:20])
        first = len(self.tally.items)
        self._require_room(items)
        named = [replace(item, id=f"i{first + index}") for index, item in enumerate(items)]
        judged = [replace(judgement, item=named[int(judgement.item)].id) for judgement in judgements]
        batch = Batch(len(self._batches), request, named, judged)
        await asyncio.to_thread(self._archive.write_batch, self.name, batch)
        self._take(batch)
        return batch

    async def record_judgement(self, judgement: Judgement) -> None:
        """The caller holds the rater's lock."""
        await asyncio.to_thread(self._archive.write_judgement, self.name, judgement)
        self.tally.apply(judgement)

    async def set_guidelines(self, text: str) -> None:
        async with self.changing:
            if text != self.guidelines[-1]:
                version = len(self.guidelines) + 1
                await asyncio.to_thread(self._archive.write_guidelines, self.name, version, text)
                self.guidelines.append(text)

    async def finish(self, end: End) -> None:
        async with self.changing:
            if self.end is None:
                await asyncio.to_thread(self._archive.write_end, self.name, end)
                self.end = end

    def _require_room(self, items: Sequence[Item]) -> None:
        count, size = len(self.tally.items) + len(items), self._num_bytes + sum(map(num_bytes, items))
        if count > self._max_items:
            raise InvalidInput(Problem("items", str(count), f"at most {self._max_items} in a campaign"))
        if size > self._max_bytes:
            raise InvalidInput(Problem("items", f"{size >> 20} MiB", f"at most {self._max_bytes >> 20} in a campaign"))

    def _take(self, batch: Batch) -> None:
        self._batches[batch.request] = batch
        self._num_bytes += sum(map(num_bytes, batch.items))
        order = list(range(len(batch.items)))
        random.Random(f"{self.spec.seed}\0{batch.number}").shuffle(order)
        self.tally.add_items(batch.items, order)
        for judgement in batch.judgements:
            self.tally.apply(judgement)
