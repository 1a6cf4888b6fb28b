"""What cannot go well on this cluster reaches the caller as a reason on the run, in words, and not as a hang."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import rlhf

from tests.cluster.installation import Installation, eventually

pytestmark = pytest.mark.timeout(1200)

QUOTA = """
apiVersion: v1
kind: ResourceQuota
metadata:
  name: none-left
spec:
  hard:
    requests.cpu: 10m
"""
STORAGE = "s3://rlhf?endpoint=http://{}:9000&region=us-east-1"
LITTLE = {"cpu": "50m", "memory": "64Mi"}  # of a pod that nothing will run in: that there is room is another test's


@pytest.fixture(scope="module", autouse=True)
def _as_it_was(installation: Installation, judge: str) -> Iterator[None]:
    """Each test says how the trainer is to be; what they share is made before, and afterwards it is as it was."""
    yield
    installation.apply()


def failed(client: rlhf.Client, data: dict[str, str], name: str, **placement: str) -> str:
    """The reason of a run that cannot be worked on."""
    spec = rlhf.Sft(base_model=data["base"], dataset=data["demonstrations"], epochs=1)
    run = client.runs.create(spec, name=name, placement=rlhf.Placement(**placement))
    eventually(lambda: run.refresh().done, 600)
    assert run.state == "failed"
    return run.reason


def test_more_than_any_node_has(client: rlhf.Client, data: dict[str, str]) -> None:
    reason = failed(client, data, "huge", cpu="900")
    assert "no node has room" in reason
    assert "cpu" in reason


def test_a_quota_that_is_used_up(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    installation.kubectl("apply", "--filename", "-", input=QUOTA)
    try:
        assert "quota" in failed(client, data, "no-quota", **LITTLE)
    finally:
        installation.kubectl("delete", "resourcequota", "none-left")


def test_no_permission_to_create_jobs(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    (jobs, *_) = installation.get("role", "rlhf-trainer")["rules"]
    assert jobs["resources"] == ["jobs"]
    patch = partial(installation.kubectl, "patch", "role", "rlhf-trainer", "--type=json", "--patch")
    verbs = '[{{"op": "replace", "path": "/rules/0/verbs", "value": {}}}]'
    patch(verbs.format('["get", "list", "watch", "delete"]'))
    try:
        reason = failed(client, data, "forbidden", **LITTLE)
    finally:
        patch(verbs.format(str(jobs["verbs"]).replace("'", '"')))
    assert "Job cannot be created" in reason
    assert "the Role in k8s/base" in reason


def test_an_image_that_cannot_be_pulled(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    installation.apply()
    image = "registry.invalid/nothing:1"
    installation.kubectl("set", "env", "deployment/rlhf-trainer", f"RLHF_TRAINER_WORKER_IMAGE={image}")
    installation.wait_until_ready()
    reason = failed(client, data, "no-image", **LITTLE)
    assert f"the worker's image '{image}' cannot be pulled" in reason


def test_a_secret_that_is_not_there(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    installation.apply({"RLHF_TRAINER_WORKER_TOKEN_SECRET": "nowhere"})
    assert "nowhere" in failed(client, data, "no-secret", **LITTLE)


def test_wrong_keys_of_the_bucket(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    keys = ("--from-literal=AWS_ACCESS_KEY_ID=nobody", "--from-literal=AWS_SECRET_ACCESS_KEY=nothing")
    installation.kubectl("create", "secret", "generic", "wrong-keys", *keys)
    installation.apply({"RLHF_TRAINER_WORKER_STORAGE_SECRET": "wrong-keys"})
    reason = failed(client, data, "wrong-keys").lower()
    assert "storage" in reason
    assert "access" in reason or "credential" in reason or "key" in reason


def test_storage_that_workers_do_not_reach(
    client: rlhf.Client, installation: Installation, data: dict[str, str]
) -> None:
    """A name that the trainer's pod alone knows, as where a network policy or a zone lies between them."""
    address = installation.get("service", "rlhf-object-store")["spec"]["clusterIP"]
    known = [{"ip": address, "hostnames": ["known-to-some"]}]
    pod = {"hostAliases": known, "containers": [container("known-to-some")]}
    installation.apply({"RLHF_TRAINER_MAX_ATTEMPTS": "2"}, trainer=pod)
    reason = failed(client, data, "wrong-storage")
    assert "given up after 2 attempts" in reason
    assert "known-to-some" in reason


def test_storage_that_the_trainer_does_not_reach(installation: Installation) -> None:
    """Then there is no service that could hold a run: its pod says why it does not start."""
    installation.apply(trainer={"containers": [container("nowhere.invalid")]}, ready=False)
    of_trainer = ("--selector", "app.kubernetes.io/name=rlhf-trainer", "--tail=20", "--ignore-errors")
    eventually(lambda: "nowhere.invalid" in installation.kubectl("logs", *of_trainer), 300)
    assert [pod for pod in installation.get("pods", *of_trainer[:2])["items"] if is_ready(pod)] == []


def test_a_service_that_is_not_there(
    client: rlhf.Client, installation: Installation, data: dict[str, str], judge: str
) -> None:
    spec = rlhf.Ppo(policy_model=data["base"], reward_model=judge, prompts=data["prompts"], steps=1, prompts_per_step=8)
    installation.apply({"RLHF_TRAINER_POLICY": "dns:///nobody:50051", "RLHF_TRAINER_SERVICE_SECONDS": "20"})
    run = client.runs.create(spec, name="wrong-endpoint")
    eventually(lambda: run.refresh().done, 900)
    assert run.state == "failed"
    assert "nobody:50051" in run.reason


def container(host: str) -> dict[str, Any]:
    """The trainer's, whose object store is there; `valueFrom` of the overlay goes."""
    variable = {"name": "RLHF_TRAINER_STORAGE", "value": STORAGE.format(host), "valueFrom": None}
    return {"name": "service", "env": [variable]}


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
