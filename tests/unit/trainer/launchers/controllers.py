"""What a Job controller, a scheduler and a node would do to a worker's Job and pods, done by a test through the API."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes.client import ApiClient, BatchV1Api, CoreV1Api

Status = dict[str, Any]


@dataclass
class Controllers:
    api: ApiClient
    namespace: str = "default"

    @property
    def batch(self) -> Any:
        return BatchV1Api(self.api)

    @property
    def core(self) -> Any:
        return CoreV1Api(self.api)

    def jobs(self) -> list[str]:
        return sorted(job.metadata.name for job in self.batch.list_namespaced_job(self.namespace).items)

    def add_pod(self, job: str, status: Status, index: int = 0, node: str = "node-1") -> str:
        """As the Job's template says; in the given state."""
        template = self.batch.read_namespaced_job(job, self.namespace).spec.template
        made = self.api.sanitize_for_serialization(template)
        name = f"{job}-{index}-abcde"
        labels = {**made["metadata"]["labels"], "batch.kubernetes.io/job-completion-index": str(index)}
        spec = {**made["spec"], **({"nodeName": node} if node else {}), "tolerations": []}
        body = {"metadata": {"name": name, "labels": labels}, "spec": spec}
        self.core.create_namespaced_pod(self.namespace, body)
        self.set_pod(name, status)
        return name

    def set_pod(self, name: str, status: Status) -> None:
        """With its labels: who replaces a pod's status replaces those too."""
        labels = self.core.read_namespaced_pod(name, self.namespace).metadata.labels
        body = {"metadata": {"name": name, "labels": labels}, "status": status}
        self.core.replace_namespaced_pod_status(name, self.namespace, body)

    def delete_pod(self, name: str) -> None:
        self.core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=0)

    def fail(self, job: str, reason: str = "BackoffLimitExceeded", message: str = "") -> None:
        conditions = [_condition(kind, reason=reason, message=message) for kind in ("FailureTarget", "Failed")]
        self._set_job(job, {"startTime": ago(60), "failed": 1, "conditions": conditions})

    def complete(self, job: str) -> None:
        conditions = [_condition(kind) for kind in ("SuccessCriteriaMet", "Complete")]
        self._set_job(job, {"startTime": ago(60), "completionTime": ago(), "succeeded": 1, "conditions": conditions})

    def _set_job(self, name: str, status: Status) -> None:
        self.batch.replace_namespaced_job_status(name, self.namespace, {"metadata": {"name": name}, "status": status})

    def suspend(self, job: str, suspended: bool) -> None:
        body = self.api.sanitize_for_serialization(self.batch.read_namespaced_job(job, self.namespace))
        body["spec"]["suspend"] = suspended
        self.batch.replace_namespaced_job(job, self.namespace, body)

    def tell(self, kind: str, name: str, reason: str, message: str, of_type: str = "Warning") -> None:
        involved = {"kind": kind, "name": name, "namespace": self.namespace}
        body = {
            "metadata": {"name": f"{name}.{reason.lower()}"},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": of_type,
            "firstTimestamp": ago(),
            "lastTimestamp": ago(),
        }
        self.core.create_namespaced_event(self.namespace, body)


def ago(seconds: float = 0.0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def unscheduled(message: str, since: float = 0.0) -> Status:
    condition = _condition("PodScheduled", "False", since, reason="Unschedulable", message=message)
    return {"phase": "Pending", "conditions": [condition]}


def waiting(reason: str, message: str = "", since: float = 0.0) -> Status:
    """On a node, where its container does not start."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "conditions": [_condition("PodScheduled", since=since)], **_container(state)}


def running(ready: bool = True) -> Status:
    conditions = [_condition("PodScheduled"), _condition("Ready", str(ready))]
    return {"phase": "Running", "conditions": conditions, **_container({"running": {"startedAt": ago()}})}


def terminated(code: int, reason: str = "Error", message: str = "", disruption: str = "", at: float = 0.0) -> Status:
    """Ended `at` seconds ago; `disruption` is the reason of the condition DisruptionTarget."""
    ended = {"exitCode": code, "reason": reason, "message": message, "startedAt": ago(at + 9), "finishedAt": ago(at)}
    conditions = [_condition("DisruptionTarget", reason=disruption)] if disruption else []
    phase = "Failed" if code else "Succeeded"
    return {"phase": phase, "conditions": conditions, **_container({"terminated": ended})}


def evicted(message: str) -> Status:
    return {**terminated(137, disruption="TerminationByKubelet"), "reason": "Evicted", "message": message}


def _container(state: Status) -> Status:
    status = {"name": "worker", "image": "rlhf:1", "imageID": "", "ready": "running" in state, "restartCount": 0}
    return {"containerStatuses": [{**status, "state": state}]}


def _condition(kind: str, status: str = "True", since: float = 0.0, **told: str) -> Status:
    return {"type": kind, "status": status, "lastTransitionTime": ago(since), **told}
