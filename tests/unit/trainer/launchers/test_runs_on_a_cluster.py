"""What becomes of a run whose worker is a Job, and what people read: a real control plane, its Kubernetes client and a
small API server; the test is the controllers, the node and the worker."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rlhf.v1 import trainer_pb2 as pb

from services.runtime.server import Address
from services.storage.location import open_store
from services.trainer import attempts, service, watched_worker
from services.trainer.attempts import Attempt, StageOutcome, Status
from services.trainer.launchers import cluster as cluster_module
from services.trainer.launchers.launcher import Launcher
from services.trainer.launching import cluster_launcher
from services.trainer.placement import cluster_problems
from services.trainer.settings import TrainerSettings
from tests.unit.trainer.control_planes import Stubs, control_plane, sft
from tests.unit.trainer.launchers.api_server import Cluster
from tests.unit.trainer.launchers.controllers import (
    Controllers,
    evicted,
    running,
    terminated,
    unscheduled,
    waiting,
)

PATIENT = {"room_seconds": 600.0, "repair_seconds": 600.0}
IMPATIENT = {"room_seconds": 0.0, "repair_seconds": 0.0}
ControlPlane = Callable[..., AbstractAsyncContextManager[Stubs]]


@pytest.fixture
def trainer(folder: Path, controllers: Controllers, monkeypatch: pytest.MonkeyPatch) -> ControlPlane:
    """Makes control planes over one storage and one cluster, that look again after a tenth of a second."""
    monkeypatch.setattr(watched_worker, "LOOK_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(cluster_module, "EVENTS_SECONDS", 0.1)
    monkeypatch.setattr(cluster_module, "LOST_NODE_SECONDS", -10.0)
    monkeypatch.setattr(service, "local_problems", cluster_problems)  # the storage is a folder of this machine

    def launch(settings: TrainerSettings, _: Address) -> Launcher:
        told = {"namespace": "default", "advertise": "rlhf-trainer:50054", "worker_image": "rlhf:1"}
        return cluster_launcher(replace(settings, **told), controllers.api)

    @asynccontextmanager
    async def plane(**settings: Any) -> AsyncIterator[Stubs]:
        given = {**PATIENT, "stop_workers": False, "stop_seconds": 1.0, **settings}
        async with control_plane(folder, launch=launch, **given) as stubs:
            yield stubs

    return plane


async def until_job(controllers: Controllers, run: pb.Run, attempt: int = 1) -> str:
    name = f"{run.id}-a{attempt}"
    await eventually(lambda: name in controllers.jobs())
    return name


async def eventually(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def until_reason(stubs: Stubs, run: pb.Run, words: str) -> pb.Run:
    deadline = time.monotonic() + 20
    while words not in (now := (await stubs.runs.GetRun(pb.GetRunRequest(run_id=run.id))).run).reason:
        assert time.monotonic() < deadline, now.reason
        await asyncio.sleep(0.05)
    return now


def finish(folder: Path, run: pb.Run, attempt: int = 1) -> None:
    """What a worker leaves that has done everything."""
    outcome = StageOutcome("sft", "made", "1.4-00000000", "d" * 64, {"loss": 0.5})
    Attempt(open_store(str(folder / "store")), run.id, attempt).write_outcome(outcome)


async def test_a_run_goes_from_a_job_to_a_model(
    trainer: ControlPlane, controllers: Controllers, cluster: Cluster, folder: Path
) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        following = asyncio.create_task(stubs.logs(run.id, follow=True))  # before there is a pod
        job = await until_job(controllers, run)
        assert (await until_reason(stubs, run, "its pod is not there yet")).state == pb.RUN_STATE_QUEUED
        pod = controllers.add_pod(job, waiting("ContainerCreating"))
        await until_reason(stubs, run, "the worker's pod starts on node node-1")
        controllers.set_pod(pod, running())
        running_run = await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        cluster.print(pod, "sft step 1\n")
        await asyncio.sleep(0.5)
        cluster.break_streams()
        cluster.print(pod, "sft step 2\n")
        finish(folder, run)
        controllers.set_pod(pod, terminated(0, "Completed"))
        controllers.complete(job)
        done = await stubs.until(run.id, pb.RUN_STATE_SUCCEEDED)
        printed = await following
        told = [event.reason for event in await stubs.happenings(run.id)]
    assert running_run.reason == ""
    assert (done.attempt, done.results[0].model_version.model) == (1, "made")
    assert printed == "sft step 1\nsft step 2\n"
    assert told == ["Queued", "Waiting", "Waiting", "Running", "Succeeded"]


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


CRASHES = {
    "oom": (
        terminated(137, "OOMKilled"),
        "ran out of memory at its limit of 4Gi; ask for more memory in the run's placement, or for smaller batches",
    ),
    "exit": (terminated(1), "ended with exit code 1 and without a last word"),
    "evicted for memory": (
        evicted("The node was low on resource: memory."),
        "was evicted from node node-1: The node was low on resource: memory.",
    ),
}
DISRUPTIONS = {
    "drained": ("EvictionByEvictionAPI", "was evicted from node node-1, which is being drained"),
    "preempted": ("PreemptionByScheduler", "had to make room on node node-1 for a pod of higher priority"),
    "node lost": (
        "DeletionByTaintManager",
        "lost its node node-1, which does not answer or takes no such pods any more",
    ),
    "node gone": ("DeletionByPodGC", "lost its node node-1, which is gone"),
}


async def run_until(stubs: Stubs, controllers: Controllers, attempt: int, run: pb.Run, status: dict) -> None:
    """The worker of an attempt runs, and then its Job fails with its pod as it says."""
    job = await until_job(controllers, run, attempt)
    pod = controllers.add_pod(job, running())
    await stubs.until(run.id, pb.RUN_STATE_RUNNING)
    controllers.set_pod(pod, status)
    controllers.fail(job)


@pytest.mark.parametrize(("status", "words"), CRASHES.values(), ids=CRASHES)
async def test_a_crash_gets_another_attempt_and_the_last_one_fails_the_run(
    trainer: ControlPlane, controllers: Controllers, status: dict, words: str
) -> None:
    async with trainer(max_attempts=2) as stubs:
        run = await stubs.create()
        await run_until(stubs, controllers, 1, run, status)
        again = await until_reason(stubs, run, f"the worker of attempt 1 {words}")
        assert again.attempt == 2
        await run_until(stubs, controllers, 2, run, status)
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert failed.reason == f"given up after 2 attempts: the worker of attempt 2 {words}"


@pytest.mark.parametrize(("disruption", "words"), DISRUPTIONS.values(), ids=DISRUPTIONS)
async def test_a_worker_that_had_to_go_is_no_crash(
    trainer: ControlPlane, controllers: Controllers, folder: Path, disruption: str, words: str
) -> None:
    async with trainer(max_attempts=1) as stubs:
        run = await stubs.create()
        await run_until(stubs, controllers, 1, run, terminated(143, disruption=disruption))
        again = await until_reason(stubs, run, f"the worker of attempt 1 {words}")
        told = await stubs.happenings(run.id)
    assert again.attempt == 2
    assert f"attempt 2 starts from the beginning: the worker of attempt 1 {words}" in [e.message for e in told]


async def test_a_deleted_pod_and_a_deleted_job_each_get_another_attempt(
    trainer: ControlPlane, controllers: Controllers, folder: Path
) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        job = await until_job(controllers, run)
        pod = controllers.add_pod(job, running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        controllers.delete_pod(pod)
        controllers.fail(job)
        await until_reason(stubs, run, "the worker of attempt 1 lost its pod, which was deleted")
        second = await until_job(controllers, run, 2)
        pod = controllers.add_pod(second, running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        controllers.batch.delete_namespaced_job(second, "default")
        controllers.delete_pod(pod)
        await until_reason(stubs, run, "the worker of attempt 2 lost its Job, which was deleted")
        third = await until_job(controllers, run, 3)
        finish(folder, run, 3)
        controllers.complete(third)
        done = await stubs.until(run.id, pb.RUN_STATE_SUCCEEDED)
    assert done.attempt == 3


async def test_last_words_that_leave_no_hope_fail_the_run_at_once(
    trainer: ControlPlane, controllers: Controllers
) -> None:
    """A worker with the wrong credentials cannot say in storage why it ends."""
    words = "the storage of bucket 'b' refused: InvalidAccessKeyId; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    async with trainer() as stubs:
        run = await stubs.create()
        await run_until(stubs, controllers, 1, run, terminated(1, message=f"{words}\n"))
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert failed.reason == f"the worker of attempt 1 could not go on: {words}"


async def test_storage_that_does_not_answer_a_worker_is_told_by_what_it_printed(
    trainer: ControlPlane, controllers: Controllers, cluster: Cluster
) -> None:
    async with trainer(max_attempts=1) as stubs:
        run = await stubs.create()
        pod = controllers.add_pod(job := await until_job(controllers, run), running())
        cluster.print(pod, "ERROR failed: no answer from the storage of bucket 'b': connection refused\n")
        controllers.set_pod(pod, terminated(1))
        controllers.fail(job)
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert failed.reason == (
        "given up after 1 attempts: the worker of attempt 1 ended with exit code 1 and without a last word; it printed "
        "last:\nERROR failed: no answer from the storage of bucket 'b': connection refused"
    )


async def test_a_worker_that_said_why_it_failed_is_believed(
    trainer: ControlPlane, controllers: Controllers, folder: Path
) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        status = Status(attempts.FAILED, error="a prompt is longer than the context", heartbeat=time.time())
        Attempt(open_store(str(folder / "store")), run.id, 1).write_status(status)
        await run_until(stubs, controllers, 1, run, terminated(1))
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert failed.reason == "a prompt is longer than the context"


async def test_a_deadline_that_the_cluster_keeps_fails_the_run(trainer: ControlPlane, controllers: Controllers) -> None:
    spec = sft()
    spec.deadline_seconds = 3600
    async with trainer() as stubs:
        run = await stubs.create(spec)
        controllers.fail(await until_job(controllers, run), "DeadlineExceeded", "Job was active longer than specified")
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert failed.reason == "the worker of attempt 1 took longer than its deadline of 3600 s"


async def test_a_silent_worker_on_a_node_that_does_not_answer_is_replaced(
    trainer: ControlPlane, controllers: Controllers, cluster: Cluster
) -> None:
    async with trainer(start_seconds=0.5, heartbeat_seconds=0.5, max_attempts=1) as stubs:
        run = await stubs.create()
        job = await until_job(controllers, run)
        controllers.add_pod(job, running(ready=False))
        again = await until_reason(stubs, run, "was silent for 0.5 s (node node-1 does not answer) and was killed")
    assert again.attempt == 2, "which was no fault of its own"
    assert job not in controllers.jobs()


async def test_a_run_waits_in_its_queue_and_makes_room_for_others(
    trainer: ControlPlane, controllers: Controllers
) -> None:
    spec = sft()
    spec.placement.labels["kueue.x-k8s.io/queue-name"] = "team-a"
    async with trainer() as stubs:
        run = await stubs.create(spec)
        job = await until_job(controllers, run)
        await until_reason(stubs, run, "the worker's Job waits in the queue 'team-a'")
        controllers.suspend(job, False)
        controllers.add_pod(job, running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        controllers.suspend(job, True)
        await until_reason(stubs, run, "had to make room for others: the queue 'team-a' suspended its Job")
        await until_job(controllers, run, 2)
        await eventually(lambda: controllers.jobs() == [f"{run.id}-a2"])


async def test_all_pods_of_an_indexed_job_have_to_run(trainer: ControlPlane, controllers: Controllers) -> None:
    spec = sft()
    spec.placement.nodes = 2
    async with trainer() as stubs:
        run = await stubs.create(spec)
        job = await until_job(controllers, run)
        first = controllers.add_pod(job, running(), index=0)
        second = controllers.add_pod(job, unscheduled("0/1 nodes are available"), index=1, node="")
        await until_reason(stubs, run, "no node has room for the worker's pod: 0/1 nodes are available")
        controllers.set_pod(second, running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        controllers.set_pod(second, terminated(137, "OOMKilled", at=5))
        controllers.set_pod(first, terminated(1, at=0))
        controllers.fail(job)
        again = await until_reason(stubs, run, "the worker of attempt 1 ran out of memory")
    assert again.attempt == 2


async def test_a_restarted_trainer_finds_its_worker_and_the_rest_of_its_log(
    trainer: ControlPlane, controllers: Controllers, cluster: Cluster, folder: Path
) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        job = await until_job(controllers, run)
        pod = controllers.add_pod(job, running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        cluster.print(pod, "before\n")
        await eventually(lambda: (folder / "store" / "runs" / run.id / "attempts" / "1" / "log").exists())
    cluster.print(pod, "meanwhile\n")
    async with trainer() as stubs:
        await until_reason(stubs, run, "the trainer came back and found the worker alive")
        cluster.print(pod, "after\n")
        finish(folder, run)
        controllers.set_pod(pod, terminated(0, "Completed"))
        controllers.complete(job)
        await stubs.until(run.id, pb.RUN_STATE_SUCCEEDED)
        printed = await stubs.logs(run.id)
    assert printed == "before\nmeanwhile\nafter\n"
    assert [request for request in cluster.requests if request.startswith("POST") and "/jobs" in request] != []
    assert controllers.jobs() == [job], "an ended Job stays for people to look at"


async def test_a_job_that_was_deleted_while_the_trainer_was_away_is_not_made_again(
    trainer: ControlPlane, controllers: Controllers
) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        job = await until_job(controllers, run)
        pod = controllers.add_pod(job, running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
    controllers.batch.delete_namespaced_job(job, "default")
    controllers.delete_pod(pod)
    async with trainer() as stubs:
        await until_reason(stubs, run, "the worker of attempt 1 lost its Job, which was deleted")
        await until_job(controllers, run, 2)
    assert job not in controllers.jobs()


async def test_a_cancelled_run_leaves_no_job(trainer: ControlPlane, controllers: Controllers) -> None:
    async with trainer() as stubs:
        run = await stubs.create()
        controllers.add_pod(await until_job(controllers, run), running())
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
        await stubs.runs.CancelRun(pb.CancelRunRequest(run_id=run.id))
        await eventually(lambda: controllers.jobs() == [])
        told = [event.reason for event in await stubs.happenings(run.id)]
    assert told[-1] == "Cancelled"


async def test_a_job_of_the_same_name_that_is_not_ours_is_left_alone(
    trainer: ControlPlane, controllers: Controllers, cluster: Cluster
) -> None:
    cluster.refuse("POST", "jobs", 409, 'jobs.batch "x" already exists', "AlreadyExists")
    async with trainer() as stubs:
        run = await stubs.create()
        failed = await stubs.until(run.id, pb.RUN_STATE_FAILED)
    assert failed.reason == 'the worker\'s Job cannot be created: jobs.batch "x" already exists'
    assert not [request for request in cluster.requests if request.startswith("DELETE")]


async def test_a_worker_of_another_launcher_is_told_apart(
    trainer: ControlPlane, controllers: Controllers, folder: Path
) -> None:
    async with control_plane(folder, {"steps": 2, "seconds": 0.5}, stop_workers=False) as stubs:
        run = await stubs.create()
        await stubs.until(run.id, pb.RUN_STATE_RUNNING)
    async with trainer() as stubs:
        await until_reason(stubs, run, "was started by the launcher 'local', which this trainer does not use any more")
        await until_job(controllers, run, 2)
