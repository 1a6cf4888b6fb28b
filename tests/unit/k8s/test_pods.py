"""What every pod of ours keeps: probes, the restricted profile, a stop that cuts nobody off, bounded resources."""

import pytest

from tests.unit.k8s.manifests import DEPLOYED, RENDERED, SERVICES, Manifest, containers, named, of_kind, pods

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
LABELS = ("name", "component", "part-of", "version")


@pytest.mark.parametrize("name", RENDERED)
def test_every_container_that_stays_has_all_probes(name: str) -> None:
    for manifest in of_kind(name, "Deployment", "StatefulSet"):
        for container in manifest["spec"]["template"]["spec"]["containers"]:
            assert [p for p in PROBES if p in container] == list(PROBES), manifest["metadata"]["name"]


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_ready_when_its_own_health_says_so(name: str, service: str) -> None:
    container = _container(name, service)
    health = {port["name"]: port["containerPort"] for port in container["ports"]}["health"]
    wanted = {"port": health, "service": f"rlhf.v1.{service.capitalize()}Service"}
    assert container["readinessProbe"]["grpc"] == wanted
    assert container["livenessProbe"]["grpc"] == {"port": health}, "one that loads or drains is alive"


@pytest.mark.parametrize("name", RENDERED)
def test_the_gateway_answers_probes_as_it_answers_people(name: str) -> None:
    """Over HTTPS once it has a certificate."""
    secured = "RLHF_GATEWAY_TLS_CERT" in named(name, "ConfigMap", "rlhf-gateway")["data"]
    wanted = {"path": "/health", "port": "http", **({"scheme": "HTTPS"} if secured else {})}
    assert [_container(name, "gateway")[probe]["httpGet"] for probe in PROBES] == [wanted] * 3


@pytest.mark.parametrize("name", RENDERED)
def test_people_stay_logged_in_whichever_replica_answers(name: str) -> None:
    (variable,) = _container(name, "gateway")["env"]
    assert variable["name"] == "RLHF_SESSION_KEY"
    assert "secretKeyRef" in variable["valueFrom"]


@pytest.mark.parametrize("name", RENDERED)
def test_the_restricted_profile_holds(name: str) -> None:
    """As the Pod Security Standards word it, and a root file system that cannot be written."""
    for who, pod in pods(name):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, who
        assert context["runAsUser"] == context["runAsGroup"] == 10001, who
        assert context["seccompProfile"]["type"] == "RuntimeDefault", who
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"]), who
        assert all(_kind_of(v) in ("emptyDir", "secret", "projected", "configMap") for v in _volumes(pod)), who
        for container in containers(pod):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, who
            assert own["readOnlyRootFilesystem"] is True, who
            assert own["capabilities"] == {"drop": ["ALL"]}, who


@pytest.mark.parametrize("name", RENDERED)
def test_the_namespace_enforces_that_profile(name: str) -> None:
    (namespace,) = of_kind(name, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", DEPLOYED)
def test_the_grace_period_is_longer_than_pre_stop_and_drain_together(name: str, service: str) -> None:
    pod = named(name, "Deployment", f"rlhf-{service}")["spec"]["template"]["spec"]
    settings = named(name, "ConfigMap", f"rlhf-{service}")["data"]
    drain = float(settings[f"RLHF_{service.upper()}_DRAIN_SECONDS"])
    sleep = _container(name, service)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert drain > 0
    assert sleep >= 10, "shorter than it takes until nobody sends calls here any more"
    assert pod["terminationGracePeriodSeconds"] > sleep + drain


@pytest.mark.parametrize("name", RENDERED)
def test_requests_and_limits_are_set(name: str) -> None:
    for who, pod in pods(name):
        for container in containers(pod):
            for bound in ("requests", "limits"):
                assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"][bound]), who


@pytest.mark.parametrize("name", RENDERED)
def test_temporary_files_are_bounded(name: str) -> None:
    for who, pod in pods(name):
        for volume in _volumes(pod):
            if "emptyDir" in volume:
                assert volume["emptyDir"].get("sizeLimit"), f"{who} {volume['name']}"


@pytest.mark.parametrize("name", RENDERED)
def test_only_the_trainer_has_a_token_of_the_api_server(name: str) -> None:
    holders = []
    for who, pod in pods(name):
        assert pod["spec"]["automountServiceAccountToken"] is False, who
        sources = [s for v in _volumes(pod) for s in v.get("projected", {}).get("sources", ())]
        holders += [who] if any("serviceAccountToken" in source for source in sources) else []
    assert holders == ["Deployment/rlhf-trainer"]
    for account in of_kind(name, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", RENDERED)
def test_the_environment_of_neighbours_stays_out(name: str) -> None:
    """RLHF_POLICY_PORT=tcp://… of a Service of that name would be an unknown setting."""
    assert all(pod["spec"]["enableServiceLinks"] is False for _, pod in pods(name))


@pytest.mark.parametrize("name", RENDERED)
def test_recommended_labels_are_on_whatever_runs(name: str) -> None:
    for manifest in of_kind(name, "Deployment", "StatefulSet", "Job", "Service", "ConfigMap"):
        if manifest["metadata"]["name"].startswith("rlhf-storage"):
            continue
        missing = {f"app.kubernetes.io/{label}" for label in LABELS} - set(manifest["metadata"].get("labels", ()))
        assert not missing, manifest["metadata"]["name"]


@pytest.mark.parametrize("name", RENDERED)
def test_images_are_ours_and_have_a_version(name: str) -> None:
    images = {c["image"] for _, pod in pods(name) for c in containers(pod)}
    assert all(image.rsplit(":", 1)[-1] not in ("latest", image) for image in images)
    assert len(images - {"chrislusf/seaweedfs:4.47"}) == 1, "one image for all"


@pytest.mark.parametrize("name", RENDERED)
def test_workers_get_the_image_of_the_trainer(name: str) -> None:
    container = _container(name, "trainer")
    values = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert values["RLHF_TRAINER_WORKER_IMAGE"] == container["image"]


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", ["trainer", "feedback"])
def test_there_is_one_at_a_time_of_each_that_writes(name: str, service: str) -> None:
    spec = named(name, "Deployment", f"rlhf-{service}")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_all_of_local_fits_two_cores() -> None:
    """With one worker of the size that `local` gives it, and what kubelet and system need."""
    requests = [c["resources"]["requests"]["cpu"] for _, pod in pods("overlays/local") for c in containers(pod)]
    worker = named("overlays/local", "ConfigMap", "rlhf-trainer")["data"]["RLHF_TRAINER_WORKER_CPU"]
    assert sum(_cores(request) for request in [*requests, worker]) <= 1.7


def _cores(quantity: str) -> float:
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def _container(name: str, service: str) -> Manifest:
    return named(name, "Deployment", f"rlhf-{service}")["spec"]["template"]["spec"]["containers"][0]


def _volumes(pod: Manifest) -> list[Manifest]:
    return [v for v in pod["spec"].get("volumes", ()) if "persistentVolumeClaim" not in v]


def _kind_of(volume: Manifest) -> str:
    (kind,) = set(volume) - {"name"}
    return kind
