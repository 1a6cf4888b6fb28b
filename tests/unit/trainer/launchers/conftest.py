from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from services.runtime.server import Address
from services.trainer import service, watched_worker
from services.trainer.launchers import cluster as cluster_module
from services.trainer.launchers.launcher import Launcher
from services.trainer.launching import cluster_launcher
from services.trainer.placement import cluster_problems
from services.trainer.settings import TrainerSettings
from tests.unit.trainer.control_planes import Stubs, control_plane
from tests.unit.trainer.launchers.api_server import Cluster, serving
from tests.unit.trainer.launchers.cluster_runs import PATIENT, ControlPlane
from tests.unit.trainer.launchers.controllers import Controllers


@pytest.fixture
def cluster() -> Cluster:
    """Behind the recorded API server: what it has, and what a test does to it."""
    return Cluster()


@pytest.fixture
def controllers(cluster: Cluster) -> Iterator[Controllers]:
    with serving(cluster) as address:
        yield Controllers(ApiClient(Configuration(host=address)))


@pytest.fixture
def trainer(folder: Path, controllers: Controllers, monkeypatch: pytest.MonkeyPatch) -> ControlPlane:
    """Makes control planes over one storage and one cluster, that look again after a tenth of a second."""
    monkeypatch.setattr(watched_worker, "LOOK_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(cluster_module, "EVENTS_SECONDS", 0.1)
    monkeypatch.setattr(cluster_module, "LOST_NODE_SECONDS", -10.0)
    monkeypatch.setattr(service, "local_problems", cluster_problems)  # the storage is a folder of this machine

    def launch(settings: TrainerSettings, _: Address) -> Launcher:
        told = {"namespace": "default", "advertise": "rlhf-trainer:50054", "worker_image": "rlhf:1"}
        return cluster_launcher(replace(settings, **told), controllers.api)

    @asynccontextmanager
    async def plane(**settings: Any) -> AsyncIterator[Stubs]:
        given = {**PATIENT, "stop_workers": False, "stop_seconds": 1.0, **settings}
        async with control_plane(folder, launch=launch, **given) as stubs:
            yield stubs

    return plane
