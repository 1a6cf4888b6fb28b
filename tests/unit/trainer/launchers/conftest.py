from collections.abc import Iterator

import pytest
from kubernetes.client import ApiClient, Configuration

from tests.unit.trainer.launchers.api_server import Cluster, serving
from tests.unit.trainer.launchers.controllers import Controllers


@pytest.fixture
def cluster() -> Cluster:
    """Behind the recorded API server: what it has, and what a test does to it."""
    return Cluster()


@pytest.fixture
def controllers(cluster: Cluster) -> Iterator[Controllers]:
    with serving(cluster) as address:
        yield Controllers(ApiClient(Configuration(host=address)))
