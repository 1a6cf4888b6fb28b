"""From what a cluster says of a Job and its pods to how the worker stands, in words for people.

What a cluster may still sort out is waited for: a node or quota for `room` seconds, what somebody must repair for
`repair` seconds. How a worker ends is in `pod_end`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.trainer.launchers.launcher import Exit, Running, Sight, Verdict, Waiting
from services.trainer.launchers.manifest import QUEUE_LABEL
from services.trainer.launchers.pod_end import Model, condition, container_state, describe_end, node

UNUSABLE_IMAGE = ("InvalidImageName", "ErrImageNeverPull")
UNPULLED_IMAGE = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
UNMADE_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")

LESS = "ask for less in the run's placement, or give the cluster more"
IMAGE = "the trainer's setting worker_image names it"
SECRETS = "the trainer's settings worker_storage_secret, worker_token_secret and worker_tls_secret name what it needs"

# (kind, name) of an object -> what was told of it, oldest first; asked where an object's status does not say enough.
Events = Callable[[str, str], Sequence[Model]]


@dataclass(frozen=True)
class Patience:
    """In seconds."""

    room: float
    repair: float


@dataclass(frozen=True)
class Case:
    """`ran`: the worker was seen running before, so nothing of it is still to come."""

    job: Model | None
    pods: Sequence[Model]
    ran: bool
    events: Events
    patience: Patience

    def diagnose(self) -> Sight:
        job = self.job
        if job is None or job.metadata.deletion_timestamp:
            return self._without_job()
        if condition(job, "Complete"):
            return Exit("ended with exit code 0")
        if failed := condition(job, "Failed"):
            return describe_end(job, failed, self.pods)
        if job.spec.suspend:
            return self._suspended(job)
        return Running(self._trouble()) if self.ran else self._starting(job)

    def _without_job(self) -> Sight:
        if any(pod.status.phase in ("Pending", "Running") for pod in self.pods):
            return Running("its Job was deleted and its pod is stopping")
        return Exit("lost its Job, which was deleted")

    def _suspended(self, job: Model) -> Sight:
        """A worker that went on later would be a second one of the same attempt."""
        queue = (job.metadata.labels or {}).get(QUEUE_LABEL, "")
        if self.ran:
            return Exit(f"had to make room for others: the queue {queue!r} suspended its Job", Verdict.DISRUPTED)
        return Waiting(f"the worker's Job waits in the queue {queue!r}")

    def _trouble(self) -> str:
        """Nothing probes these pods: one whose container runs and that is not ready is on a node not heard of."""
        if not self.pods:
            return "its pod is gone"
        lost = [node(pod) for pod in self.pods if condition(pod, "Ready", "False") and container_state(pod, "running")]
        return f"node {lost[0]} does not answer" if lost else ""

    def _starting(self, job: Model) -> Sight:
        for pod in self.pods:
            if not (container_state(pod, "running") or pod.status.phase in ("Succeeded", "Failed")):
                return self._pending(pod)
        return self._without_pod(job) if len(self.pods) < job.spec.completions else Running(self._trouble())

    def _without_pod(self, job: Model) -> Waiting:
        refused = [event for event in self.events("Job", job.metadata.name) if event.reason == "FailedCreate"]
        if not refused:
            return Waiting("the worker's Job was created; its pod is not there yet")
        message = refused[-1].message or ""
        since = (job.status.start_time or job.metadata.creation_timestamp).timestamp()
        if "exceeded quota" in message:
            words = f"the quota leaves no room for the worker's pod: {message.split('exceeded quota: ')[-1]}; {LESS}"
            return Waiting(words, since + self.patience.room)
        return Waiting(f"the cluster refuses the worker's pod: {message}", since + self.patience.repair)

    def _pending(self, pod: Model) -> Waiting:
        unscheduled = condition(pod, "PodScheduled", "False")
        if unscheduled and unscheduled.reason == "SchedulingGated":
            return Waiting("the worker's pod is held back by a scheduling gate")
        if unscheduled:
            words = f"no node has room for the worker's pod: {unscheduled.message}; {LESS}"
            return Waiting(words, unscheduled.last_transition_time.timestamp() + self.patience.room)
        scheduled = condition(pod, "PodScheduled")
        if scheduled is None:
            return Waiting("the worker's pod waits for the scheduler")
        return self._on_node(pod, scheduled.last_transition_time.timestamp() + self.patience.repair)

    def _on_node(self, pod: Model, until: float) -> Waiting:
        waiting = container_state(pod, "waiting")
        reason, message = (waiting.reason, waiting.message or waiting.reason) if waiting else ("", "")
        image = pod.spec.containers[0].image
        if reason in UNUSABLE_IMAGE:
            return Waiting(f"the worker's image {image!r} cannot be used: {message}; {IMAGE}", until=0)
        if reason in UNPULLED_IMAGE:
            return Waiting(f"the worker's image {image!r} cannot be pulled: {message}; {IMAGE}", until)
        if reason in UNMADE_CONTAINER:
            return Waiting(f"the worker's container cannot be made: {message}; {SECRETS}", until)
        told = self.events("Pod", pod.metadata.name)
        if told and told[-1].type == "Warning":
            return Waiting(f"the worker's pod cannot be set up: {told[-1].message}; {SECRETS}", until)
        return Waiting(f"the worker's pod starts on node {node(pod)}")
