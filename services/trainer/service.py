"""The control plane put together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

import grpc
from prometheus_client import REGISTRY

from services.runtime.admission import Admission
from services.runtime.metrics import PAGES, TARGETS
from services.runtime.server import Address
from services.storage.datasets import DatasetStore
from services.storage.location import open_store
from services.storage.models import ModelStore
from services.trainer.catalog import Catalog
from services.trainer.catalog_servicer import add_catalog
from services.trainer.control import Control
from services.trainer.imports import Importer
from services.trainer.launchers.launcher import Launcher
from services.trainer.placement import cluster_problems, local_problems
from services.trainer.run_series import RunSeries
from services.trainer.runs import Runs
from services.trainer.servicer import add_trainer
from services.trainer.settings import TrainerSettings
from services.trainer.supervisor import Supervisor
from services.trainer.targets import targets
from services.trainer.validation import Validator
from services.trainer.worker_servicer import add_worker

log = logging.getLogger(__name__)


class Trainer:
    """`launcher` is made once the address is known that workers report to."""

    def __init__(self, settings: TrainerSettings, launcher: Callable[[TrainerSettings, Address], Launcher]) -> None:
        self.admission = Admission(settings.max_calls)
        self._settings = settings
        self._launcher = launcher
        store = open_store(settings.storage)
        self._models = ModelStore(store, settings.cache, int(settings.cache_gib * 2**30))
        datasets = DatasetStore(store)
        self._runs = Runs(store, self._models)
        self._catalog = Catalog(
            store,
            self._models,
            datasets,
            Importer(settings.storage, settings.importable),
            settings.work_dir.absolute(),
            max_dataset_bytes=settings.max_dataset_mib << 20,
            max_model_bytes=int(settings.max_model_gib * 2**30),
        )
        problems = cluster_problems if settings.launcher == "kubernetes" else local_problems
        validator = Validator(store, self._models, datasets, problems)
        self._control = Control(self._runs, validator, settings.max_running)

    def register(self, server: grpc.aio.Server) -> Iterator[str]:
        self._runs.load()
        yield add_trainer(server, self._control, self.admission.draining)
        yield add_worker(server, self._control)
        yield add_catalog(server, self._catalog)

    @asynccontextmanager
    async def supervised(self, address: Address) -> AsyncIterator[None]:
        """Runs move on for as long as the block runs; their workers outlive it unless the settings say otherwise."""
        REGISTRY.register(series := RunSeries(self._runs))
        PAGES[TARGETS] = partial(targets, self._runs)
        launcher = self._launcher(self._settings, address)
        supervisor = Supervisor(self._runs, self._models, launcher, self._settings.limits())
        task = asyncio.create_task(supervisor.supervise())
        try:
            yield
        finally:
            supervisor.end()
            await task
            if self._settings.stop_workers:
                await supervisor.stop_workers()
            launcher.close()
            REGISTRY.unregister(series)
