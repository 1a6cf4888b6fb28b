"""A worker is a Kubernetes Job, one per attempt."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from kubernetes.client import ApiClient, ApiException, BatchV1Api, CoreV1Api
from urllib3.exceptions import HTTPError

from services.trainer.launchers.api_errors import NOT_FOUND, QUOTA, explain, is_taken, is_transient, message_of
from services.trainer.launchers.diagnosis import Case, Patience
from services.trainer.launchers.launcher import Assignment, Exit, Launch, LaunchRefused, Running, Sight, Waiting
from services.trainer.launchers.manifest import CONTAINER, SELECTOR, JobTemplate, job_name, owner_labels
from services.trainer.launchers.mirror import Mirror
from services.trainer.launchers.pod_end import condition, container_state
from services.trainer.launchers.pod_log import TIMEOUTS as LOG_TIMEOUTS
from services.trainer.launchers.pod_log import PodLog

TIMEOUTS = (5.0, 30.0)  # seconds to connect and to answer
LAST_LOG_SECONDS = 5.0  # a pod that has ended has as long to hand over the rest of its log
LOST_NODE_SECONDS = 15.0  # after its grace, a pod that is still there is on a node that nobody hears of
EVENTS_SECONDS = 5.0  # what was told of an object is asked for no more often

log = logging.getLogger(__name__)


class ClusterLauncher:
    """Reads Jobs and pods from mirrors, so that looking at a worker costs the API server nothing."""

    kinds = frozenset({"job", "indexed_job"})

    def __init__(self, api: ApiClient, template: JobTemplate) -> None:
        settings = template.settings
        self._template = template
        self._namespace = settings.namespace
        self._patience = Patience(settings.room_seconds, settings.repair_seconds)
        self._batch, self._core = BatchV1Api(api), CoreV1Api(api)
        selection = {"namespace": settings.namespace, "label_selector": SELECTOR}
        self._jobs = Mirror("Jobs", self._batch.list_namespaced_job, **selection)
        self._pods = Mirror("pods", self._core.list_namespaced_pod, **selection)
        self._logs: dict[str, PodLog] = {}
        self._told: dict[str, tuple[float, Sequence[Any]]] = {}

    def prepare(self, assignment: Assignment) -> Launch:
        """The name alone: a Job that nobody recorded cannot be."""
        return {
            "launcher": "indexed_job" if assignment.placement.nodes > 1 else "job",
            "name": job_name(assignment.run_id, assignment.attempt),
            "labels": owner_labels(assignment.run_id, assignment.attempt),
            "at": time.time(),
        }

    def begin(self, assignment: Assignment, launch: Launch) -> Waiting | None:
        job: Any = self._template.job(assignment)
        try:
            self._batch.create_namespaced_job(self._namespace, job, _request_timeout=TIMEOUTS)
        except (ApiException, HTTPError) as error:
            return self._not_created(launch, error)
        return None

    def _not_created(self, launch: Launch, error: Exception) -> Waiting | None:
        """None where it is there already: another control plane made it, or this one and did not hear of it."""
        if is_taken(error) and self._job(launch):
            return None
        words = f"the worker's Job cannot be created: {explain(error)}"
        if QUOTA in message_of(error):
            return Waiting(words, launch["at"] + self._patience.room)
        if is_transient(error):
            return Waiting(words)
        raise LaunchRefused(words) from error

    def poll(self, launch: Launch, ran: bool) -> Sight:
        if problem := self._jobs.problem or self._pods.problem:
            return Running(problem) if ran else Waiting(problem)
        job, pods = self._job(launch), self._pods.having(launch["labels"])
        sight = Case(job, pods, ran, self._events, self._patience).diagnose()
        if not isinstance(sight, Exit):
            return sight
        if printed := self._logs.get(launch["name"]):
            printed.finish(LAST_LOG_SECONDS)
        # The mirror of the Jobs may have heard of the end before the mirror of the pods.
        return Case(job, self._listed_pods(launch), ran, self._events, self._patience).diagnose()

    def _listed_pods(self, launch: Launch) -> Sequence[Any]:
        selector = ",".join(f"{name}={value}" for name, value in launch["labels"].items())
        return self._core.list_namespaced_pod(self._namespace, label_selector=selector, _request_timeout=TIMEOUTS).items

    def _job(self, launch: Launch) -> Any | None:
        """Of this run alone. The mirror may not have heard yet of one that is new."""
        job: Any = self._jobs.get(launch["name"])
        try:
            job = job or self._batch.read_namespaced_job(launch["name"], self._namespace, _request_timeout=TIMEOUTS)
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
        return job if job and launch["labels"].items() <= (job.metadata.labels or {}).items() else None

    def _events(self, kind: str, name: str) -> Sequence[Any]:
        asked_at, told = self._told.get(name, (0.0, ()))
        if time.monotonic() - asked_at > EVENTS_SECONDS:
            selector = f"involvedObject.kind={kind},involvedObject.name={name}"
            try:
                told = self._core.list_namespaced_event(
                    self._namespace, field_selector=selector, _request_timeout=TIMEOUTS
                ).items
            except (ApiException, HTTPError) as error:
                log.warning("nothing can be heard of %s %s: %s", kind, name, explain(error))
            told = sorted(told, key=_told_at)
            self._told[name] = time.monotonic(), told
        return told

    def stop(self, launch: Launch, grace_seconds: float) -> None:
        """The pods' own grace is in their Job: the trainer has no right to touch pods, and a silent one gets it too."""
        self._delete(launch)
        deadline = time.monotonic() + self._template.grace_seconds + LOST_NODE_SECONDS
        while self._living(launch) and time.monotonic() < deadline:
            time.sleep(0.2)

    def _delete(self, launch: Launch) -> None:
        try:
            self._batch.delete_namespaced_job(
                launch["name"], self._namespace, propagation_policy="Background", _request_timeout=TIMEOUTS
            )
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise

    def _living(self, launch: Launch) -> bool:
        return any(pod.status.phase in ("Pending", "Running") for pod in self._pods.having(launch["labels"]))

    def read_log(self, launch: Launch, offset: int, limit: int) -> bytes:
        """Of the first pod, whose processes are the first ones: rank 0 talks."""
        if launch["name"] not in self._logs and (pod := self._talking(launch)):
            self._logs[launch["name"]] = self._follow(pod.metadata.name, offset)
        printed = self._logs.get(launch["name"])
        return printed.read(offset, limit) if printed else b""

    def _talking(self, launch: Launch) -> Any | None:
        """The pod, once it has something to say."""
        pods = [pod for pod in self._pods.having(launch["labels"]) if _index(pod) == "0"]
        return next((pod for pod in pods if container_state(pod, "running") or _has_ended(pod)), None)

    def _follow(self, pod: str, offset: int) -> PodLog:
        open_stream = partial(
            self._core.read_namespaced_pod_log,
            pod,
            self._namespace,
            container=CONTAINER,
            follow=True,
            _preload_content=False,
            _request_timeout=LOG_TIMEOUTS,
        )
        return PodLog(open_stream, lambda: _has_ended(self._pods.get(pod)), offset)

    def clear(self, launch: Launch) -> None:
        """A Job that has ended stays for people to look at, until its time to live is over; one that could still go
        on, after a queue suspended it, does not."""
        if printed := self._logs.pop(launch["name"], None):
            printed.close()
        self._told.clear()
        job = self._jobs.get(launch["name"])
        if job and not (condition(job, "Complete") or condition(job, "Failed")):
            self._delete(launch)

    def close(self) -> None:
        for printed in self._logs.values():
            printed.close()
        for mirror in (self._jobs, self._pods):
            mirror.close()


def _index(pod: Any) -> str:
    return (pod.metadata.labels or {}).get("batch.kubernetes.io/job-completion-index", "0")


def _told_at(event: Any) -> Any:
    return event.last_timestamp or event.event_time or event.metadata.creation_timestamp


def _has_ended(pod: Any | None) -> bool:
    return pod is None or bool(container_state(pod, "terminated"))
