"""How a worker ended, from what its Job and pods say afterwards."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.trainer.launchers.launcher import Exit, Verdict, could_not_go_on

Model = Any  # of the `kubernetes` client; its own types say that any field of them may be missing

SIGKILL_CODE = 128 + 9
MEMORY = "ask for more memory in the run's placement, or for smaller batches"
# Reasons of the condition DisruptionTarget, and what they mean for a worker on node {node}.
DISRUPTIONS = {
    "PreemptionByScheduler": "had to make room on node {node} for a pod of higher priority",
    "DeletionByTaintManager": "lost its node {node}, which does not answer or takes no such pods any more",
    "EvictionByEvictionAPI": "was evicted from node {node}, which is being drained",
    "DeletionByPodGC": "lost its node {node}, which is gone",
    "TerminationByKubelet": "was stopped because node {node} shuts down",
}


def describe_end(job: Model, failed: Model, pods: Sequence[Model]) -> Exit:
    """Of a Job that has failed. Of several pods, the one that ended first took the others with it."""
    if failed.reason == "DeadlineExceeded":
        return Exit(f"took longer than its deadline of {job.spec.active_deadline_seconds} s", Verdict.HOPELESS)
    if pods:
        return _pod_end(min(pods, key=_innocence))
    if "DisruptionTarget" in (failed.message or ""):
        return Exit(f"lost its pod: {failed.message}", Verdict.DISRUPTED)
    return Exit("lost its pod, which was deleted")


def condition(thing: Model, kind: str, status: str = "True") -> Any:
    return next((c for c in thing.status.conditions or () if (c.type, c.status) == (kind, status)), None)


def container_state(pod: Model, kind: str) -> Any:
    """Of its only container: `waiting`, `running` or `terminated`; None in another state."""
    containers = pod.status.container_statuses or ()
    return getattr(containers[0].state, kind) if containers and containers[0].state else None


def node(pod: Model) -> str:
    return pod.spec.node_name or "unknown"


def _innocence(pod: Model) -> tuple[bool, bool, datetime]:
    """Disrupted pods first, then those that failed by themselves, in order of their ends, then those stopped."""
    ended = container_state(pod, "terminated")
    failed = ended is not None and ended.exit_code != 0 and pod.metadata.deletion_timestamp is None
    never = datetime.max.replace(tzinfo=UTC)
    return condition(pod, "DisruptionTarget") is None, not failed, (ended and ended.finished_at) or never


def _pod_end(pod: Model) -> Exit:
    if pod.status.reason == "Evicted":
        return Exit(f"was evicted from node {node(pod)}: {(pod.status.message or '').strip()}")
    if disruption := condition(pod, "DisruptionTarget"):
        words = DISRUPTIONS.get(disruption.reason, "was disrupted on node {node}").format(node=node(pod))
        return Exit(words, Verdict.DISRUPTED)
    ended = container_state(pod, "terminated")
    if pod.metadata.deletion_timestamp or ended is None:
        return Exit("lost its pod, which was deleted")
    return _container_end(pod, ended)


def _container_end(pod: Model, ended: Any) -> Exit:
    if ended.reason == "OOMKilled":
        limit = pod.spec.containers[0].resources.limits["memory"]
        return Exit(f"ran out of memory at its limit of {limit}; {MEMORY}")
    if ended.exit_code == SIGKILL_CODE:
        return Exit(f"was killed (SIGKILL) on node {node(pod)}, perhaps because memory ran out; {MEMORY}")
    if ended.message:
        return could_not_go_on(ended.message)
    return Exit(f"ended with exit code {ended.exit_code} and without a last word")
