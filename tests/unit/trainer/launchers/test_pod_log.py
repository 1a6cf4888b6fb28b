"""A pod's log over streams that break, from a small API server."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from services.trainer.launchers import pod_log
from services.trainer.launchers.pod_log import PodLog
from tests.conftest import wait_until
from tests.unit.trainer.launchers.api_server import Cluster
from tests.unit.trainer.launchers.controllers import Controllers, running, terminated

POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "worker", "image": "i"}]}}


@pytest.fixture
def follow(controllers: Controllers, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PodLog]:
    """Follows the log of a pod that runs."""
    monkeypatch.setattr(pod_log, "RETRY_SECONDS", 0.05)
    controllers.core.create_namespaced_pod("default", POD)
    controllers.set_pod("p", running())
    stream = partial(controllers.core.read_namespaced_pod_log, "p", "default", follow=True, _preload_content=False)

    def ended() -> bool:
        pod = cluster.objects.get(("pods", "p"))
        return pod is None or pod["status"]["phase"] != "Running"

    return lambda offset=0: PodLog(stream, ended, offset)


def test_lines_come_as_they_are_printed(follow: Callable[..., PodLog], cluster: Cluster) -> None:
    log = follow()
    assert log.read(0, 100) == b""
    cluster.print("p", "one\n")
    wait_until(lambda: log.read(0, 100) == b"one\n", 5)
    cluster.print("p", "two\n")
    wait_until(lambda: log.read(4, 100) == b"two\n", 5)
    assert log.read(4, 2) == b"tw"
    log.close()


def test_a_stream_that_breaks_is_taken_up_without_a_gap_or_a_repetition(
    follow: Callable[..., PodLog], cluster: Cluster, controllers: Controllers
) -> None:
    log = follow()
    for number in range(5):
        cluster.print("p", f"line {number}\n")
        cluster.break_streams()
    controllers.set_pod("p", terminated(0))
    log.finish(5)
    assert log.read(0, 1000).decode() == "".join(f"line {number}\n" for number in range(5))


def test_another_trainer_goes_on_after_what_is_stored(follow: Callable[..., PodLog], cluster: Cluster) -> None:
    cluster.print("p", "stored\nnot stored\n")
    log = follow(offset=len("stored\n"))
    wait_until(lambda: log.read(7, 100) == b"not stored\n", 5)
    log.close()


def test_what_nobody_reads_is_not_piled_up(
    follow: Callable[..., PodLog], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_log, "UNREAD_BYTES", 100)
    monkeypatch.setattr(pod_log, "PIECE_BYTES", 50)
    text = "".join(f"{number:09d}\n" for number in range(100))
    cluster.print("p", text)
    log, found = follow(), b""
    while len(found) < len(text):
        held = log.read(len(found), 1 << 20)
        assert len(held) < 100 + 50
        found += held
        time.sleep(0.01)
    assert found.decode() == text
    log.close()


def test_a_pod_that_is_gone_has_no_more_to_say(
    follow: Callable[..., PodLog], controllers: Controllers, cluster: Cluster
) -> None:
    cluster.print("p", "last\n")
    log = follow()
    wait_until(lambda: log.read(0, 100) == b"last\n", 5)
    controllers.delete_pod("p")
    log.finish(5)
    assert not log._thread.is_alive()
    assert log.read(0, 100) == b"last\n"
