"""A mirror of a small API server, whose streams break and whose memory is short."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.trainer.launchers.mirror import Mirror
from tests.conftest import wait_until
from tests.unit.trainer.launchers.api_server import Cluster
from tests.unit.trainer.launchers.controllers import Controllers

LABELS = {"ours": "yes"}


@contextmanager
def mirrored(controllers: Controllers) -> Iterator[Mirror]:
    list_pods = controllers.core.list_namespaced_pod
    mirror = Mirror("pods", list_pods, namespace="default", label_selector="ours=yes")
    try:
        wait_until(lambda: not mirror.problem, 10)
        yield mirror
    finally:
        mirror.close()


def add(controllers: Controllers, name: str, labels: dict[str, str] = LABELS) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    controllers.core.create_namespaced_pod("default", {"metadata": {"name": name, "labels": labels}, "spec": spec})


def names(mirror: Mirror) -> list[str]:
    return [pod.metadata.name for pod in mirror.having(LABELS)]


def watches(cluster: Cluster) -> list[str]:
    return [request for request in cluster.requests if "watch=True" in request or "watch=true" in request]


def test_it_has_what_was_there_and_hears_of_what_comes_and_goes(controllers: Controllers) -> None:
    add(controllers, "old")
    with mirrored(controllers) as mirror:
        assert names(mirror) == ["old"]
        add(controllers, "new")
        add(controllers, "of-others", {"ours": "no"})
        wait_until(lambda: names(mirror) == ["new", "old"], 10)
        controllers.set_pod("new", {"phase": "Running"})
        wait_until(lambda: mirror.get("new").status.phase == "Running", 10)
        controllers.delete_pod("old")
        wait_until(lambda: names(mirror) == ["new"], 10)


def test_a_stream_that_ends_is_taken_up_where_it_was(controllers: Controllers, cluster: Cluster) -> None:
    with mirrored(controllers) as mirror:
        add(controllers, "first")
        wait_until(lambda: names(mirror) == ["first"], 10)
        cluster.break_streams()
        add(controllers, "second")
        wait_until(lambda: names(mirror) == ["first", "second"], 10)
    lists = [request for request in cluster.requests if request.startswith("GET") and request not in watches(cluster)]
    assert len(lists) == 1
    assert len(watches(cluster)) >= 2


def test_what_the_server_has_forgotten_is_listed_again(controllers: Controllers, cluster: Cluster) -> None:
    with mirrored(controllers) as mirror:
        add(controllers, "gone-meanwhile")
        wait_until(lambda: names(mirror) == ["gone-meanwhile"], 10)
        del cluster.objects["pods", "gone-meanwhile"]  # an event that nobody will ever hear of
        cluster.forget()
        add(controllers, "new")
        wait_until(lambda: names(mirror) == ["new"], 10)
        assert mirror.problem == ""


def test_what_may_not_be_looked_at_is_said_until_it_may(controllers: Controllers, cluster: Cluster) -> None:
    cluster.refuse("GET", "pods", 403, "pods is forbidden: User x cannot list resource pods")
    mirror = Mirror("pods", controllers.core.list_namespaced_pod, namespace="default", label_selector="ours=yes")
    wait_until(lambda: "cannot look at the pods" in mirror.problem, 10)
    assert "it may not: pods is forbidden: User x cannot list resource pods" in mirror.problem
    cluster.refusals.clear()
    wait_until(lambda: not mirror.problem, 10)
    mirror.close()


def test_a_server_that_does_not_answer_is_said(controllers: Controllers) -> None:
    controllers.api.configuration.host = "http://127.0.0.1:9"
    mirror = Mirror("pods", controllers.core.list_namespaced_pod, namespace="default", label_selector="ours=yes")
    wait_until(lambda: "does not answer" in mirror.problem, 20)
    assert names(mirror) == []
    mirror.close()
