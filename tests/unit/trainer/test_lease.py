"""Who may act, on a small API server that both candidates ask."""

import asyncio
import re
import signal
import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kubernetes.client import ApiClient, Configuration
from rlhf.v1 import trainer_pb2 as pb

from services.trainer import lease as module
from services.trainer.lease import Lease, leadership
from services.trainer.settings import TrainerSettings
from tests.conftest import free_port, wait_until
from tests.unit.trainer.launchers.api_server import Cluster, serving


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def api(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiClient]:
    """Everything ten times as fast."""
    for name in ("DURATION_SECONDS", "RENEW_DEADLINE_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(module, name, getattr(module, name) / 10)
    with serving(cluster) as address:
        yield ApiClient(Configuration(host=address))


@pytest.fixture
def lost() -> threading.Event:
    return threading.Event()


def candidate(api: ApiClient, lost: threading.Event) -> Lease:
    return Lease(api, "default", "rlhf-trainer", lost.set)


def spec(cluster: Cluster) -> dict:
    return cluster.objects["leases", "rlhf-trainer"]["spec"]


def test_the_first_one_holds_it_and_renews_it(api: ApiClient, cluster: Cluster, lost: threading.Event) -> None:
    lease = candidate(api, lost)
    lease.acquire()
    first = dict(spec(cluster))
    assert first["holderIdentity"] == lease.holder
    assert re.fullmatch(r".{19}\.[0-9]{6}\+00:00", first["renewTime"]), "the API server reads no other time"
    wait_until(lambda: spec(cluster)["renewTime"] > first["renewTime"], 5)
    assert spec(cluster)["acquireTime"] == first["acquireTime"]
    lease.release()
    assert spec(cluster)["holderIdentity"] == ""
    assert not lost.is_set()


def test_another_one_waits_until_it_is_released(api: ApiClient, cluster: Cluster, lost: threading.Event) -> None:
    first, second = candidate(api, lost), candidate(api, lost)
    first.acquire()
    waiter = threading.Thread(target=second.acquire)
    waiter.start()
    waiter.join(2.5)  # longer than the lease lasts without a renewal
    assert waiter.is_alive()
    first.release()
    waiter.join(5)
    assert spec(cluster)["holderIdentity"] == second.holder
    second.release()


def test_a_holder_that_is_gone_is_succeeded_after_its_time(
    api: ApiClient, cluster: Cluster, lost: threading.Event
) -> None:
    gone, successor = candidate(api, lost), candidate(api, lost)
    assert gone._try()  # and never renews it
    began = time.monotonic()
    successor.acquire()
    assert time.monotonic() - began >= module.DURATION_SECONDS
    assert spec(cluster)["holderIdentity"] == successor.holder
    successor.release()


def test_of_two_that_write_at_once_one_is_refused(api: ApiClient, cluster: Cluster, lost: threading.Event) -> None:
    one, other = candidate(api, lost), candidate(api, lost)
    one.acquire()
    one.release()
    free = other._read()
    assert one._try()
    assert other._attempt(lambda: other._write(free, other.holder)) is None
    assert spec(cluster)["holderIdentity"] == one.holder


def test_a_holder_that_cannot_renew_goes_before_others_come(
    api: ApiClient, cluster: Cluster, lost: threading.Event
) -> None:
    lease = candidate(api, lost)
    lease.acquire()
    cluster.refuse("PUT", "leases", 500, "etcd is away")
    began = time.monotonic()
    assert lost.wait(5)
    assert time.monotonic() - began < module.DURATION_SECONDS


def test_a_holder_that_was_overtaken_goes(api: ApiClient, cluster: Cluster, lost: threading.Event) -> None:
    lease = candidate(api, lost)
    lease.acquire()
    held = cluster.objects["leases", "rlhf-trainer"]
    cluster.change("leases", "MODIFIED", {**held, "spec": {**held["spec"], "holderIdentity": "somebody"}})
    assert lost.wait(5)


async def test_one_that_waits_lives_and_is_not_ready(
    api: ApiClient, cluster: Cluster, lost: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, before = candidate(api, lost), signal.getsignal(signal.SIGTERM)
    holder.acquire()
    monkeypatch.setattr(module, "open_api", lambda: api)
    settings = TrainerSettings(storage="/data", health_port=free_port(), namespace="default", lease="rlhf-trainer")
    entered = asyncio.Event()

    async def wait() -> None:
        async with leadership(settings):
            entered.set()

    waiting = asyncio.create_task(wait())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.health_port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        async def status(service: str) -> int:
            request = health_pb2.HealthCheckRequest(service=service)
            return (await stub.Check(request, timeout=30, wait_for_ready=True)).status

        service = pb.DESCRIPTOR.services_by_name["TrainerService"].full_name
        assert await status("") == health_pb2.HealthCheckResponse.SERVING
        assert await status(service) == health_pb2.HealthCheckResponse.NOT_SERVING
    assert not entered.is_set()
    await asyncio.to_thread(holder.release)
    await asyncio.wait_for(waiting, 30)
    signal.signal(signal.SIGTERM, before)
    assert entered.is_set()
