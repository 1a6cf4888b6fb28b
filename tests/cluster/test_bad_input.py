"""What cannot go well on this cluster reaches the caller as a reason on the run, in words, and not as a hang."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

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


def failed(client: rlhf.Client, data: dict[str, str], name: str, **placement: object) -> str:
    """The reason of a run that cannot be worked on."""
    spec = rlhf.Sft(base_model=data["base"], dataset=data["demonstrations"], epochs=1)
    run = client.runs.create(spec, name=name, placement=rlhf.Placement(**placement))
    eventually(lambda: run.refresh().done, 300)
    assert run.state == "failed"
    return run.reason


@contextmanager
def trainer(installation: Installation, *settings: str) -> Iterator[None]:
    """With other settings, as long as the block runs."""
    installation.apply(*settings)
    try:
        yield
    finally:
        installation.apply()


def test_more_than_any_node_has(client: rlhf.Client, data: dict[str, str]) -> None:
    reason = failed(client, data, "huge", cpu="900")
    assert "cpu" in reason.lower()


def test_a_quota_that_is_used_up(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    installation.kubectl("apply", "--filename", "-", input=QUOTA)
    try:
        assert "quota" in failed(client, data, "no-quota").lower()
    finally:
        installation.kubectl("delete", "resourcequota", "none-left")


def test_no_permission_to_create_jobs(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    patch = partial(installation.kubectl, "patch", "role", "rlhf-trainer", "--type=json", "--patch")
    patch('[{"op": "replace", "path": "/rules/0/verbs", "value": ["get", "list", "watch", "patch", "delete"]}]')
    try:
        reason = failed(client, data, "forbidden").lower()
        assert "job" in reason
        assert "not allowed" in reason or "forbidden" in reason or "may not" in reason
    finally:
        verbs = '["create", "get", "list", "watch", "patch", "delete"]'
        patch(f'[{{"op": "replace", "path": "/rules/0/verbs", "value": {verbs}}}]')


def test_an_image_that_cannot_be_pulled(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    with_env(installation, "RLHF_TRAINER_WORKER_IMAGE", "registry.invalid/nothing:1")
    try:
        assert "registry.invalid/nothing:1" in failed(client, data, "no-image")
    finally:
        installation.apply()


def test_wrong_keys_of_the_bucket(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    installation.kubectl(
        "create", "secret", "generic", "wrong-keys",
        "--from-literal=AWS_ACCESS_KEY_ID=nobody", "--from-literal=AWS_SECRET_ACCESS_KEY=nothing",
    )  # fmt: skip
    with trainer(installation, "RLHF_TRAINER_WORKER_STORAGE_SECRET=wrong-keys"):
        reason = failed(client, data, "wrong-keys").lower()
    assert "storage" in reason
    assert "access" in reason or "credential" in reason or "key" in reason


def test_a_secret_that_is_not_there(client: rlhf.Client, installation: Installation, data: dict[str, str]) -> None:
    with trainer(installation, "RLHF_TRAINER_WORKER_TOKEN_SECRET=nowhere"):
        assert "nowhere" in failed(client, data, "no-secret")


def test_a_service_that_is_not_there(
    client: rlhf.Client, installation: Installation, data: dict[str, str], judge: str
) -> None:
    spec = rlhf.Ppo(policy_model=data["base"], reward_model=judge, prompts=data["prompts"], steps=1, prompts_per_step=8)
    with trainer(installation, "RLHF_TRAINER_POLICY=dns:///nobody:50051"):
        run = client.runs.create(spec, name="wrong-endpoint")
        eventually(lambda: run.refresh().done, 900)
    assert run.state == "failed"
    assert "nobody:50051" in run.reason


def with_env(installation: Installation, name: str, value: str) -> None:
    installation.kubectl("set", "env", "deployment/rlhf-trainer", f"{name}={value}")
    installation.wait_until_ready()
