"""The variables of the manifests are the settings that services read: none is unknown, and all of them are valid."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from services.feedback.settings import FeedbackSettings
from services.gateway.settings import GatewaySettings
from services.policy.settings import PolicySettings
from services.reference.settings import ReferenceSettings
from services.reward.settings import RewardSettings
from services.runtime.settings import ListenSettings, ServerSettings, load_settings
from services.trainer.settings import TrainerSettings
from tests.conftest import free_port
from tests.unit.k8s.manifests import DEPLOYED, RENDERED, SERVICES, Manifest, containers, named, pods

SETTINGS: dict[str, type[ListenSettings]] = {
    "policy": PolicySettings,
    "reward": RewardSettings,
    "reference": ReferenceSettings,
    "trainer": TrainerSettings,
    "feedback": FeedbackSettings,
    "gateway": GatewaySettings,
}
# What is not a service's setting, and who reads it.
READ_ELSEWHERE = {
    "AWS_ACCESS_KEY_ID": "services/storage/s3.py, rclone, SeaweedFS",
    "AWS_SECRET_ACCESS_KEY": "the same",
    "RCLONE_AUTH_KEY": "rclone serve s3",
    "RCLONE_CONFIG_STORE_TYPE": "rclone",
    "RCLONE_CONFIG_STORE_PROVIDER": "rclone",
    "RCLONE_CONFIG_STORE_ENDPOINT": "rclone",
    "RCLONE_CONFIG_STORE_ENV_AUTH": "rclone",
}
CLIENT = {
    f"RLHF_{name}"
    for name in ("POLICY", "REWARD", "REFERENCE", "TRAINER", "TOKEN_FILE", "CA", "CERT", "KEY", "ALLOW_PLAINTEXT_TOKEN")
}


def environment(name: str, container: Manifest) -> dict[str, str]:
    """What the kubelet would make of it; a Secret holds 48 characters."""
    values: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        values |= named(name, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", ()):
        source = variable.get("valueFrom", {})
        if reference := source.get("configMapKeyRef"):
            values[variable["name"]] = named(name, "ConfigMap", reference["name"])["data"][reference["key"]]
        else:
            values[variable["name"]] = 8 * "secret" if source else variable["value"]
    return values


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", DEPLOYED)
def test_a_service_reads_all_of_its_variables(name: str, service: str) -> None:
    (container,) = named(name, "Deployment", f"rlhf-{service}")["spec"]["template"]["spec"]["containers"]
    prefix, variables = f"RLHF_{service.upper()}_", environment(name, container)
    assert container["args"] == [f"services.{service}"]
    settings = load_settings(SETTINGS[service], prefix, [], variables)
    assert not isinstance(settings, ServerSettings) or settings.storage.startswith("s3://")
    assert settings.tokens_file, "nobody without a token"
    own = {field.metadata["variable"] for field in fields(SETTINGS[service]) if "variable" in field.metadata}
    unknown = {v for v in variables if not v.startswith(prefix) and v not in READ_ELSEWHERE}
    assert unknown <= CLIENT | own


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", DEPLOYED)
def test_files_and_folders_of_settings_are_mounted(name: str, service: str) -> None:
    (container,) = named(name, "Deployment", f"rlhf-{service}")["spec"]["template"]["spec"]["containers"]
    mounts = tuple(mount["mountPath"] for mount in container["volumeMounts"])
    for variable, value in environment(name, container).items():
        if value.startswith("/"):
            assert value.startswith(mounts), variable


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", DEPLOYED)
def test_ports_are_those_of_the_settings(name: str, service: str) -> None:
    (container,) = named(name, "Deployment", f"rlhf-{service}")["spec"]["template"]["spec"]["containers"]
    settings = load_settings(SETTINGS[service], f"RLHF_{service.upper()}_", [], environment(name, container))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    if isinstance(settings, ServerSettings):
        assert ports == {"grpc": settings.port, "health": settings.health_port, "metrics": settings.metrics_port}
    else:
        assert ports == {"http": settings.port, "metrics": settings.metrics_port}


@pytest.mark.parametrize("name", RENDERED)
def test_no_variable_is_read_by_nobody(name: str) -> None:
    prefixes = ("RLHF_SESSION_KEY", *(f"RLHF_{service.upper()}_" for service in DEPLOYED))
    for who, pod in pods(name):
        for container in containers(pod):
            known = (
                (*prefixes, *READ_ELSEWHERE, *CLIENT) if container["name"] == "service" else (*READ_ELSEWHERE, *CLIENT)
            )
            assert all(v.startswith(known) for v in environment(name, container)), who


def test_the_object_store_of_a_development_cluster_takes_its_keys(tmp_path: Path) -> None:
    """rclone itself reads them as the kubelet would hand them over."""
    (container,) = named("overlays/local", "Deployment", "rlhf-object-store")["spec"]["template"]["spec"]["containers"]
    variables = environment("overlays/local", container)
    keys = variables["RCLONE_AUTH_KEY"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        keys = keys.replace(f"$({name})", variables[name])
    program = [str(Path(sys.executable).with_name("rclone")), *container["command"][1:-1], str(tmp_path)]
    program[program.index("--addr") + 1] = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(program, env={"RCLONE_AUTH_KEY": keys}, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert "Starting s3 server" in process.stderr.readline()
        finally:
            process.terminate()


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize("service", ["feedback", "gateway"])
def test_who_asks_others_knows_them_by_their_names(name: str, service: str) -> None:
    settings, prefix = named(name, "ConfigMap", f"rlhf-{service}")["data"], f"RLHF_{service.upper()}_"
    asked = {other: settings[prefix + other.upper()] for other in SERVICES if prefix + other.upper() in settings}
    assert {"policy", "reward"} <= set(asked)
    for other, address in asked.items():
        (port,) = named(name, "Service", f"rlhf-{other}")["spec"]["ports"]
        assert address == f"dns:///rlhf-{other}:{port['port']}"
    assert ("RLHF_CA" in settings) == (settings["RLHF_ALLOW_PLAINTEXT_TOKEN"] == "false")


@pytest.mark.parametrize("name", RENDERED)
def test_the_trainer_knows_the_services_by_their_names(name: str) -> None:
    settings = named(name, "ConfigMap", "rlhf-trainer")["data"]
    for service, variable in {**{s: s.upper() for s in SERVICES[:3]}, "trainer": "ADVERTISE"}.items():
        port = named(name, "Service", f"rlhf-{service}")["spec"]["ports"][0]["port"]
        assert settings[f"RLHF_TRAINER_{variable}"] == f"dns:///rlhf-{service}:{port}"
    named(name, "ServiceAccount", settings["RLHF_TRAINER_WORKER_ACCOUNT"])
    assert named(name, "Service", settings["RLHF_TRAINER_WORKER_SERVICE"])["spec"]["publishNotReadyAddresses"] is True
