"""All services as processes, started once for every test here, and a small road that they have walked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rlhf
import torch
from rlhf.cli import app
from typer.testing import CliRunner, Result

from services.local import Services
from services.storage.location import open_store
from services.storage.object_store import ObjectStore
from tests.e2e.small_road import SmallRoad, walk

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def services(folder: Path) -> Iterator[Services]:
    with Services(storage=str(folder / "storage"), folder=folder / "services") as services:
        yield services


@pytest.fixture(scope="session")
def client(services: Services) -> Iterator[rlhf.Client]:
    with rlhf.Client(**services.addresses) as client:
        yield client


@pytest.fixture(scope="session")
def store(services: Services, folder: Path) -> ObjectStore:
    """The services' own, for what they tell nobody."""
    return open_store(str(folder / "storage"))


@pytest.fixture(scope="session")
def road(client: rlhf.Client, services: Services, store: ObjectStore, folder: Path) -> SmallRoad:
    return walk(client, services, store, folder / "road")


@pytest.fixture(scope="session")
def cli(services: Services) -> Callable[..., Result]:
    """`rlhf ARGUMENTS`, told where the services are."""
    where = [text for name, address in services.addresses.items() for text in (f"--{name}", address)]
    return lambda *arguments: CliRunner().invoke(app, [*where, *map(str, arguments)])
