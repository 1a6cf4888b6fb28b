"""What becomes of a run whose worker is a Job, and what people read: a real control plane, its Kubernetes client and a
small API server; the test is the controllers, the node and the worker."""

import asyncio
import time
from pathlib import Path

import pytest
from rlhf.v1 import trainer_pb2 as pb

from services.storage.location import open_store
from services.trainer import attempts
from services.trainer.attempts import Attempt, Status
from tests.unit.trainer.control_planes import Stubs, control_plane, sft
from tests.unit.trainer.launchers.api_server import Cluster
from tests.unit.trainer.launchers.cluster_runs import ControlPlane, eventually, finish, until_job, until_reason
from tests.unit.trainer.launchers.controllers import Controllers, evicted, running, terminated, unscheduled, waiting


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
