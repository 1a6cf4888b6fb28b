"""Statistics as they are asked for: counted in a thread, and once for as long as nothing changes."""

import asyncio
from collections import defaultdict

from services.feedback.campaign import Campaign
from services.feedback.snapshot import snapshot
from services.feedback.statistics import Statistics, statistics


class Reports:
    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._known: dict[str, tuple[tuple[int, int], Statistics]] = {}  # by campaign, with what they were counted from

    async def statistics(self, campaign: Campaign) -> Statistics:
        async with self._locks[campaign.name]:
            state = (len(campaign.tally.judgements), len(campaign.tally.items))
            if campaign.name not in self._known or self._known[campaign.name][0] != state:
                self._known[campaign.name] = state, await asyncio.to_thread(statistics, snapshot(campaign))
            return self._known[campaign.name][1]
