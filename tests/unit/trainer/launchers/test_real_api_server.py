"""The launcher and the lease against a real kube-apiserver, with the rights of the Role that k8s/ gives the trainer."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException, CoreV1Api, RbacAuthorizationV1Api

from services.trainer import lease as lease_module
from services.trainer.launchers import cluster as cluster_module
from services.trainer.launchers.cluster import ClusterLauncher
from services.trainer.launchers.launcher import Assignment, Exit, LaunchRefused, Running, Sight, Verdict, Waiting
from services.trainer.launchers.mirror import Mirror
from services.trainer.launching import cluster_launcher
from services.trainer.lease import Lease
from services.trainer.placement import Placement, Toleration
from services.trainer.settings import TrainerSettings
from tests.conftest import wait_until
from tests.unit.trainer.launchers.controllers import Controllers, running, terminated, unscheduled
from tests.unit.trainer.launchers.real_api_server import ADMIN, TRAINER, RealServer, missing_tools, real_server

pytestmark = pytest.mark.beyond_packages
ROLE = Path(__file__).parents[4] / "k8s/base/trainer/account.yaml"
SETTINGS = TrainerSettings(
    launcher="kubernetes",
    storage="s3://bucket",
    advertise="rlhf-trainer:50054",
    worker_image="rlhf:1",
    worker_storage_secret="s3",
    worker_tls_secret="tls",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    if missing := missing_tools():
        pytest.skip(f"{' and '.join(missing)} not on the PATH: no package of Debian or PyPI has a kube-apiserver")
    with real_server(tmp_path_factory.mktemp("api")) as started:
        yield started


def role() -> dict[str, Any]:
    (only,) = (each for each in yaml.safe_load_all(ROLE.read_text()) if each["kind"] == "Role")
    return only


@pytest.fixture
def controllers(server: RealServer, request: pytest.FixtureRequest) -> Controllers:
    """In a namespace of the test's own, where the trainer has its Role."""
    api, namespace = server.client(ADMIN), request.node.name.replace("_", "-")[:60].strip("-[]")
    CoreV1Api(api).create_namespace({"metadata": {"name": namespace}})
    roles = RbacAuthorizationV1Api(api)
    roles.create_namespaced_role(namespace, role())
    user = {"kind": "User", "name": "trainer", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": role()["metadata"]["name"], "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "trainer"}, "roleRef": reference, "subjects": [user]}
    roles.create_namespaced_role_binding(namespace, binding)
    return Controllers(api, namespace)


@pytest.fixture
def launcher(server: RealServer, controllers: Controllers) -> Iterator[ClusterLauncher]:
    made = cluster_launcher(replace(SETTINGS, namespace=controllers.namespace), server.client(TRAINER))
    yield made  # type: ignore[misc]
    made.close()


def begin(launcher: ClusterLauncher, placement: Placement = Placement(), attempt: int = 1) -> dict[str, Any]:  # noqa: B008
    assignment = Assignment("run-1", attempt, 1, placement, deadline_seconds=600)
    launch = launcher.prepare(assignment)
    assert launcher.begin(assignment, launch) is None
    return launch


def until(launcher: ClusterLauncher, launch: dict, ran: bool, expected: Callable[[Sight], bool]) -> Sight:
    wait_until(lambda: expected(launcher.poll(launch, ran)), 20)
    return launcher.poll(launch, ran)


def ended(sight: Sight) -> bool:
    return isinstance(sight, Exit)


def test_a_job_of_every_wish_is_accepted_and_made_once(launcher: ClusterLauncher, controllers: Controllers) -> None:
    placement = Placement(
        nodes=2,
        processes_per_node=2,
        gpus_per_node=2,
        cpu="1.5",
        memory="0.5Gi",
        node_selector={"example.com/disk": "ssd"},
        tolerations=(Toleration("gpu"), Toleration("team", "a", "NoExecute")),
        labels={"kueue.x-k8s.io/queue-name": "team-a"},
    )
    launch = begin(launcher, placement)
    begin(launcher, placement)  # as another control plane would, that does not know
    (job,) = controllers.batch.list_namespaced_job(controllers.namespace).items
    assert (job.metadata.name, job.spec.suspend, job.spec.completion_mode) == ("run-1-a1", True, "Indexed")
    assert job.spec.pod_failure_policy.rules[0].on_pod_conditions[0].type == "DisruptionTarget"
    waits = until(launcher, launch, False, lambda sight: "waits in the queue" in getattr(sight, "words", ""))
    assert isinstance(waits, Waiting)


def test_a_worker_is_followed_from_no_node_to_its_end(launcher: ClusterLauncher, controllers: Controllers) -> None:
    launch = begin(launcher)
    message = "0/1 nodes are available: 1 Insufficient cpu."
    pod = controllers.add_pod(launch["name"], unscheduled(message), node="")
    until(launcher, launch, False, lambda sight: message in getattr(sight, "words", ""))
    controllers.set_pod(pod, running())
    until(launcher, launch, False, lambda sight: sight == Running())
    controllers.set_pod(pod, terminated(137, "OOMKilled"))
    controllers.fail(launch["name"])
    assert "ran out of memory at its limit of 4Gi" in getattr(until(launcher, launch, True, ended), "words", "")


def test_a_disruption_is_told_by_its_condition(launcher: ClusterLauncher, controllers: Controllers) -> None:
    launch = begin(launcher)
    controllers.add_pod(launch["name"], terminated(143, disruption="EvictionByEvictionAPI"))
    controllers.fail(launch["name"], "PodFailurePolicy", "Pod has condition DisruptionTarget matching FailJob rule")
    sight = until(launcher, launch, True, ended)
    assert sight == Exit("was evicted from node node-1, which is being drained", Verdict.DISRUPTED)


def test_a_stopped_worker_leaves_nothing(launcher: ClusterLauncher, controllers: Controllers) -> None:
    launch = begin(launcher)
    launcher.stop(launch, 0)
    until(launcher, launch, True, ended)
    assert controllers.jobs() == []
    launcher.stop(launch, 0)  # once more does no harm


def test_quota_and_permission_are_told_apart(
    launcher: ClusterLauncher, controllers: Controllers, server: RealServer
) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    controllers.core.create_namespaced_resource_quota(controllers.namespace, quota)
    assignment = Assignment("run-1", 1, 1)
    launch = launcher.prepare(assignment)
    status = {"hard": {"count/jobs.batch": "0"}, "used": {"count/jobs.batch": "0"}}
    body = {"metadata": {"name": "few"}, "status": status}
    controllers.core.replace_namespaced_resource_quota_status("few", controllers.namespace, body)
    held_up = launcher.begin(assignment, launch)
    assert isinstance(held_up, Waiting)
    assert "exceeded quota: few, requested: count/jobs.batch=1" in held_up.words
    elsewhere = cluster_launcher(replace(SETTINGS, namespace="default"), server.client(TRAINER))
    with pytest.raises(LaunchRefused, match='User "trainer" cannot create resource "jobs"'):
        elsewhere.begin(assignment, elsewhere.prepare(assignment))
    wait_until(lambda: "may not" in getattr(elsewhere.poll(launch, False), "words", ""), 10)
    elsewhere.close()


def test_events_are_read_where_the_status_says_too_little(
    launcher: ClusterLauncher, controllers: Controllers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "EVENTS_SECONDS", 0.1)
    launch = begin(launcher)
    controllers.tell("Job", launch["name"], "FailedCreate", "Error creating: pods forbidden: exceeded quota: few, used")
    until(launcher, launch, False, lambda sight: "the quota leaves no room" in getattr(sight, "words", ""))


def test_a_mirror_goes_on_after_its_watch_has_ended(
    controllers: Controllers, server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.trainer.launchers.mirror.WATCH_SECONDS", 1)
    list_pods = CoreV1Api(server.client(TRAINER)).list_namespaced_pod
    mirror = Mirror("pods", list_pods, namespace=controllers.namespace, label_selector="ours=yes")
    for number in range(3):
        spec = {"containers": [{"name": "c", "image": "i"}]}
        body = {"metadata": {"name": f"pod-{number}", "labels": {"ours": "yes"}}, "spec": spec}
        controllers.core.create_namespaced_pod(controllers.namespace, body)
        wait_until(lambda wanted=number + 1: len(mirror.having({"ours": "yes"})) == wanted, 10)
        time.sleep(0.8)
    mirror.close()


def test_the_lease_needs_no_more_than_the_role_gives(
    controllers: Controllers, server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "RETRY_SECONDS", 0.1)
    api, lost = server.client(TRAINER), threading.Event()
    (name,) = next(rule["resourceNames"] for rule in role()["rules"] if "resourceNames" in rule)
    first, second = (Lease(api, controllers.namespace, name, lost.set) for _ in range(2))
    first.acquire()
    assert not second._try()
    time.sleep(0.5)
    first.release()
    second.acquire()
    assert not lost.is_set()
    second.release()


def test_nothing_else_is_allowed(controllers: Controllers, server: RealServer) -> None:
    core = CoreV1Api(server.client(TRAINER))
    for refused in (
        lambda: core.list_namespaced_secret(controllers.namespace),
        lambda: core.delete_namespaced_pod("x", controllers.namespace),
        lambda: core.list_pod_for_all_namespaces(),
    ):
        with pytest.raises(ApiException) as caught:
            refused()
        assert json.loads(caught.value.body or "")["reason"] == "Forbidden"
