"""What a run waits for on a cluster, and what it is refused: what people read meanwhile and in the end."""

from pathlib import Path

import pytest
from rlhf.v1 import trainer_pb2 as pb

from tests.unit.trainer.launchers.api_server import Cluster
from tests.unit.trainer.launchers.cluster_runs import IMPATIENT, ControlPlane, until_job, until_reason
from tests.unit.trainer.launchers.controllers import Controllers, running, unscheduled, waiting

LESS = "ask for less in the run's placement, or give the cluster more"
IMAGE = "the trainer's setting worker_image names it"
SECRETS = "the trainer's settings worker_storage_secret, worker_token_secret and worker_tls_secret name what it needs"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(
            unscheduled("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
            f"no node has room for the worker's pod: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.; {LESS}",
            id="unschedulable",
        ),
        pytest.param(
            waiting("ImagePullBackOff", 'Back-off pulling image "rlhf:1"'),
            f"the worker's image 'rlhf:1' cannot be pulled: Back-off pulling image \"rlhf:1\"; {IMAGE}",
            id="image",
        ),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "s3" not found'),
            f'the worker\'s container cannot be made: secret "s3" not found; {SECRETS}',
            id="secret",
        ),
    ],
)
async def test_what_a_pod_waits_for_is_said_while_it_waits_and_when_it_waited_too_long(
    trainer: ControlPlane, controllers: Controllers, status: dict, words: str
) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        controllers.add_pod(await until_job(controllers, run), status)
        waits = await until_reason(stubs, run, words)
    async with trainer(**IMPATIENT) as stubs:
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
        told = [event.message for event in await stubs.happenings(run.id)]
    assert waits.state == pb.RUN_STATE_QUEUED
    assert failed.reason == f"the worker of attempt 1 never started: {words}"
    assert words in told
    assert controllers.jobs() == [], "nothing of it is left to start later"


async def test_an_image_name_that_is_none_fails_at_once(trainer: ControlPlane, controllers: Controllers) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        status = waiting("InvalidImageName", 'couldn\'t parse image name "RLHF"')
        controllers.add_pod(await until_job(controllers, run), status)
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert "cannot be used: couldn't parse image name" in failed.reason


@pytest.mark.parametrize(
    ("kind", "reason", "message", "words"),
    [
        (
            "Job",
            "FailedCreate",
            'Error creating: pods "x" is forbidden: exceeded quota: few, requested: cpu=2, used: cpu=3, limited: cpu=4',
            "the quota leaves no room for the worker's pod: few, requested: cpu=2, used: cpu=3, limited: cpu=4; "
            + LESS,
        ),
        (
            "Job",
            "FailedCreate",
            'Error creating: pods "x" is forbidden: no PriorityClass with name high was found',
            'the cluster refuses the worker\'s pod: Error creating: pods "x" is forbidden: no PriorityClass with name',
        ),
        (
            "Pod",
            "FailedMount",
            'MountVolume.SetUp failed for volume "tls" : secret "tls" not found',
            f'the worker\'s pod cannot be set up: MountVolume.SetUp failed for volume "tls" : secret "tls" not found; '
            f"{SECRETS}",
        ),
    ],
)
async def test_what_only_events_say_is_said_too(
    trainer: ControlPlane, controllers: Controllers, kind: str, reason: str, message: str, words: str
) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        name = await until_job(controllers, run)
        if kind == "Pod":
            name = controllers.add_pod(name, waiting("ContainerCreating"))
        controllers.tell(kind, name, reason, message)
        await until_reason(stubs, run, words)
    async with trainer(**IMPATIENT) as stubs:
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert words in failed.reason


async def test_without_permission_a_run_fails_at_once_and_says_which(trainer: ControlPlane, cluster: Cluster) -> None:
    message = 'jobs.batch is forbidden: User "system:serviceaccount:ml:t" cannot create resource "jobs"'
    cluster.refuse("POST", "jobs", 403, message)
    async with trainer() as stubs:
        run = await stubs.create()
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
        printed = await stubs.logs(run.id, follow=True)
    assert failed.reason == (
        f"the worker's Job cannot be created: it may not: {message}; the Role in k8s/base that is meant for the "
        "trainer's service account allows it"
    )
    assert printed == ""


async def test_a_quota_of_jobs_is_waited_for(
    trainer: ControlPlane, controllers: Controllers, cluster: Cluster, folder: Path
) -> None:
    message = 'jobs.batch "x" is forbidden: exceeded quota: few, requested: count/jobs.batch=1, used: 9, limited: 9'
    cluster.refuse("POST", "jobs", 403, message)
    async with trainer() as stubs:
        run = await stubs.create()
        await until_reason(stubs, run, f"the worker's Job cannot be created: {message}")
        cluster.refusals.clear()
        controllers.add_pod(await until_job(controllers, run), running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)


async def test_an_api_server_that_is_away_is_waited_for(
    trainer: ControlPlane, controllers: Controllers, cluster: Cluster
) -> None:
    cluster.refuse("POST", "jobs", 503, "etcdserver: leader changed")
    async with trainer() as stubs:
        run = await stubs.create()
        await until_reason(stubs, run, "the worker's Job cannot be created: etcdserver: leader changed")
        cluster.refusals.clear()
        await until_job(controllers, run)


async def test_a_job_that_the_cluster_finds_invalid_fails_its_run(trainer: ControlPlane, cluster: Cluster) -> None:
    cluster.refuse("POST", "jobs", 422, 'Job.batch "x" is invalid: spec.template.spec.containers[0].image: Required')
    async with trainer() as stubs:
        run = await stubs.create()
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert 'Job.batch "x" is invalid: spec.template.spec.containers[0].image: Required' in failed.reason
