"""All campaigns, and what can be done with one as a whole."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence

from services.feedback.archive import Archive, CampaignRecord, End
from services.feedback.campaign import Campaign
from services.feedback.items import Item
from services.feedback.judgements import digest_of
from services.feedback.recipe import MAX_GUIDELINES, CampaignSpec, completed, spec_to_json
from services.runtime.errors import AlreadyExists, InvalidInput, NotFound, Problem

MAX_ITEMS_AT_ONCE = 1000
MAX_REQUEST_ID = 200

Pin = Callable[[CampaignSpec], CampaignSpec]
"""Checks what a spec names in the catalog, and names it by version and digest. Raises InvalidInput, NotFound."""


class Campaigns:
    """`started` is told of every campaign that has items to prepare."""

    def __init__(
        self, archive: Archive, pin: Pin, max_campaigns: int, max_items: int, max_bytes: int, lease_seconds: float
    ) -> None:
        self._archive, self._pin = archive, pin
        self._max_campaigns, self._limits = max_campaigns, (max_items, max_bytes, lease_seconds)
        self._campaigns: dict[str, Campaign] = {}
        self._creating = asyncio.Lock()
        self.started: Callable[[Campaign], None] = lambda campaign: None

    def load(self) -> None:
        for name in self._archive.names():
            campaign = self._campaign(self._archive.read_record(name))
            campaign.load()
            self._campaigns[name] = campaign

    def all(self) -> list[Campaign]:
        """Newest first."""
        return sorted(self._campaigns.values(), key=lambda campaign: campaign.record.created_at, reverse=True)

    def get(self, name: str) -> Campaign:
        """Raises NotFound."""
        if campaign := self._campaigns.get(name):
            return campaign
        raise NotFound("campaign", name[:100], [campaign.name for campaign in self.all()])

    async def create(self, spec: CampaignSpec, request_id: str) -> Campaign:
        spec = completed(spec)
        digest = digest_of(spec_to_json(spec), request_id)
        async with self._creating:
            if known := self._campaigns.get(spec.name):
                if known.record.request_digest == digest:
                    return known
                raise AlreadyExists(f"there is a campaign {spec.name} already")
            if len(self._campaigns) >= self._max_campaigns:
                raise InvalidInput(
                    Problem("campaign", f"{len(self._campaigns)} there", f"at most {self._max_campaigns}")
                )
            pinned = await asyncio.to_thread(self._pin, spec)
            record = CampaignRecord(pinned, time.time(), secrets.token_hex(16), digest)
            await asyncio.to_thread(self._archive.write_record, record)
            campaign = self._campaigns[spec.name] = self._campaign(record)
        self.started(campaign)
        return campaign

    async def close(self, name: str) -> Campaign:
        """One that has ended stays as it is."""
        campaign = self.get(name)
        await campaign.finish(End(time.time()))
        return campaign

    async def set_guidelines(self, name: str, text: str) -> Campaign:
        campaign = self.get(name)
        if len(text) > MAX_GUIDELINES:
            raise InvalidInput(Problem("guidelines", f"{len(text)} characters", f"at most {MAX_GUIDELINES}"))
        await campaign.set_guidelines(text)
        return campaign

    async def add_items(self, name: str, items: Sequence[Item], request_id: str) -> int:
        """How many there are of this request. Raises AlreadyExists where it brought others before."""
        campaign = self.get(name)
        if not 1 <= len(items) <= MAX_ITEMS_AT_ONCE:
            raise InvalidInput(Problem("items", str(len(items)), f"1 to {MAX_ITEMS_AT_ONCE}"))
        if len(request_id) > MAX_REQUEST_ID:
            raise InvalidInput(Problem("request_id", f"{len(request_id)} characters", f"at most {MAX_REQUEST_ID}"))
        request = f"add:{request_id or secrets.token_hex(16)}"
        async with campaign.changing:
            known = campaign.added(request)
            if known and len(known.items) != len(items):
                raise AlreadyExists(f"request {request_id!r} brought {len(known.items)} items before")
            if not known:
                campaign.require_open()
                known = await campaign.add(request, items)
        return len(known.items)

    def _campaign(self, record: CampaignRecord) -> Campaign:
        return Campaign(self._archive, record, *self._limits)
