"""The service put together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import grpc
from prometheus_client import REGISTRY

from services.feedback.archive import Archive
from services.feedback.campaign_series import CampaignSeries
from services.feedback.campaigns import Campaigns
from services.feedback.catalog import Catalog
from services.feedback.exporting import Exporter
from services.feedback.importing import Importer
from services.feedback.labelling import Labelling
from services.feedback.preparation import Models, Preparation
from services.feedback.raters import Raters
from services.feedback.reports import Reports
from services.feedback.rollouts import ModelServices
from services.feedback.servicer import FeedbackServicer, add_feedback
from services.feedback.settings import FeedbackSettings
from services.runtime.server import Address
from services.storage.datasets import DatasetStore
from services.storage.location import open_store
from services.storage.models import ModelStore


def model_services(settings: FeedbackSettings) -> Models:
    return ModelServices(settings.policy, settings.reward)


class Feedback:
    """The only writer below feedback/ in storage: there is one of it."""

    def __init__(
        self, settings: FeedbackSettings, models: Callable[[FeedbackSettings], Models] = model_services
    ) -> None:
        store = open_store(settings.storage)
        archive, datasets = Archive(store), DatasetStore(store)
        catalog = Catalog(ModelStore(store, settings.cache), datasets)
        self._raters = Raters(archive, settings.max_raters)
        self._campaigns = Campaigns(
            archive,
            catalog.pin,
            settings.max_campaigns,
            settings.max_items,
            settings.max_campaign_mib << 20,
            settings.lease_minutes * 60,
        )
        self._preparation = Preparation(archive, datasets, models(settings))
        self._campaigns.started = self._preparation.put
        work_dir = settings.work_dir.absolute()
        self._servicer = FeedbackServicer(
            self._campaigns,
            self._raters,
            Labelling(self._raters),
            Reports(),
            Importer(work_dir, settings.max_import_mib << 20),
            Exporter(datasets, work_dir),
        )

    def register(self, server: grpc.aio.Server) -> Iterator[str]:
        self._raters.load()
        self._campaigns.load()
        yield add_feedback(server, self._servicer)

    @asynccontextmanager
    async def preparing(self, address: Address) -> AsyncIterator[None]:
        """Campaigns get their items for as long as the block runs."""
        for campaign in reversed(self._campaigns.all()):
            self._preparation.put(campaign)
        work = asyncio.create_task(self._preparation.work())
        REGISTRY.register(series := CampaignSeries(self._campaigns))
        try:
            yield
        finally:
            REGISTRY.unregister(series)
            self._preparation.stop()
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
