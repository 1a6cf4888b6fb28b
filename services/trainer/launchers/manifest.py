"""From an attempt to the Job that works on it: one pod, or an Indexed Job whose pods meet under torchrun.

Nothing here comes from a client but the fields of its Placement, which was validated before the run was accepted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.trainer.launchers.cluster_settings import ClusterSettings
from services.trainer.launchers.command import MODULE, WorkerSettings
from services.trainer.launchers.launcher import Assignment
from services.trainer.placement import Toleration

RUN_LABEL, ATTEMPT_LABEL = "rlhf/run", "rlhf/attempt"
OWN_LABELS = {
    "app.kubernetes.io/name": "rlhf-worker",
    "app.kubernetes.io/component": "worker",
    "app.kubernetes.io/part-of": "rlhf",
    "app.kubernetes.io/managed-by": "rlhf-trainer",
}
SELECTOR = "app.kubernetes.io/managed-by=rlhf-trainer"  # of all Jobs and pods that are ours
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
CONTAINER = "worker"
UID = 10001  # the image's user
WORK_DIR = Path("/work")
RENDEZVOUS_PORT = 29400
RENDEZVOUS_SECONDS = 900  # for the pods of one Job to come up; images are pulled at different speeds
SHUTDOWN_MARGIN_SECONDS = 5
TOKEN_FOLDER, TLS_FOLDER = "/etc/rlhf/token", "/etc/rlhf/tls"
LAST_WORDS = Path("/dev/termination-log")  # which the cluster keeps in the pod's status

Manifest = dict[str, Any]


@dataclass(frozen=True)
class JobTemplate:
    """What all Jobs of this control plane share."""

    settings: ClusterSettings
    worker: WorkerSettings
    stop_seconds: float
    variables: Mapping[str, str] = field(default_factory=dict)  # of this control plane, that workers are to have too

    @property
    def grace_seconds(self) -> int:
        """Of a pod: torchrun goes after its processes, the pod after torchrun."""
        return round(self.stop_seconds) + 2 * SHUTDOWN_MARGIN_SECONDS

    def job(self, assignment: Assignment) -> Manifest:
        name, placement = job_name(assignment.run_id, assignment.attempt), assignment.placement
        labels = {**placement.labels, **owner_labels(assignment.run_id, assignment.attempt)}
        spec: Manifest = {
            "backoffLimit": 0,  # the control plane makes the attempts
            "completions": placement.nodes,
            "parallelism": placement.nodes,
            "completionMode": "Indexed" if placement.nodes > 1 else "NonIndexed",
            # Nor may the cluster replace a pod that was disrupted: two pods would work on one attempt.
            "podFailurePolicy": {
                "rules": [{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "ttlSecondsAfterFinished": self.settings.job_ttl_seconds,
            "template": {"metadata": {"labels": labels}, "spec": self._pod(assignment, name)},
        }
        if QUEUE_LABEL in labels:
            spec["suspend"] = True  # until Kueue admits it
        if assignment.deadline_seconds:
            spec["activeDeadlineSeconds"] = assignment.deadline_seconds
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": self.settings.namespace, "labels": labels},
            "spec": spec,
        }

    def _pod(self, assignment: Assignment, name: str) -> Manifest:
        placement = assignment.placement
        pod: Manifest = {
            "restartPolicy": "Never",
            "serviceAccountName": self.settings.worker_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # RLHF_WORKER_PORT=tcp://… would be an unknown setting
            "terminationGracePeriodSeconds": self.grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "runAsGroup": UID,
                "fsGroup": UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "nodeSelector": dict(placement.node_selector),
            "tolerations": [_toleration(t) for t in placement.tolerations],
            "containers": [self._container(assignment, name)],
            "volumes": [volume for volume, _ in self._volumes(assignment)],
        }
        if placement.nodes > 1:
            pod["subdomain"] = self.settings.worker_service
        if placement.priority_class:
            pod["priorityClassName"] = placement.priority_class
        return pod

    def _container(self, assignment: Assignment, name: str) -> Manifest:
        return {
            "name": CONTAINER,
            "image": self.settings.worker_image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["torchrun", *self._torchrun(assignment, name)],
            "args": [*self.worker.flags(assignment, WORK_DIR, LAST_WORDS), *self._metrics_flags()],
            "env": self._environment(assignment),
            "ports": [{"name": "metrics", "containerPort": self.settings.worker_metrics_port}],
            "resources": self._resources(assignment),
            "volumeMounts": [mount for _, mount in self._volumes(assignment)],
            "terminationMessagePath": str(LAST_WORDS),
            "terminationMessagePolicy": "File",  # never the end of the log, which says nothing for certain
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }

    def _torchrun(self, assignment: Assignment, name: str) -> list[str]:
        """Up to the worker's own flags; torchrun takes those that begin like its own for them without the dashes."""
        placement, settings = assignment.placement, self.settings
        shared = [
            f"--nproc-per-node={placement.processes_per_node}",
            f"--shutdown-timeout={round(self.stop_seconds) + SHUTDOWN_MARGIN_SECONDS}",
        ]
        if placement.nodes == 1:
            return ["--standalone", *shared, "--", "-m", MODULE]
        # The full name stands in the first pod's own /etc/hosts, so it knows at once, without DNS, that it is meant.
        host = f"{name}-0.{settings.worker_service}.{settings.namespace}.svc.{settings.cluster_domain}"
        return [
            f"--nnodes={placement.nodes}",
            *shared,
            *("--rdzv-backend=c10d", f"--rdzv-id={name}", f"--rdzv-endpoint={host}:{RENDEZVOUS_PORT}"),
            f"--rdzv-conf=join_timeout={RENDEZVOUS_SECONDS},read_timeout={RENDEZVOUS_SECONDS}",
            *("--", "-m", MODULE),
        ]

    def _metrics_flags(self) -> list[str]:
        return ["--metrics-host", "0.0.0.0", "--metrics-port", str(self.settings.worker_metrics_port)]

    def _environment(self, assignment: Assignment) -> list[Manifest]:
        settings = self.settings
        values = {
            **self.variables,
            "HOME": str(WORK_DIR),
            "OMP_NUM_THREADS": str(assignment.threads),
            "PYTHONUNBUFFERED": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        if settings.worker_token_secret:
            values["RLHF_TOKEN_FILE"] = f"{TOKEN_FOLDER}/token"
            if not settings.worker_tls_secret:
                values["RLHF_ALLOW_PLAINTEXT_TOKEN"] = "true"
        if settings.worker_tls_secret:
            files = {"CA": "ca.crt", "CERT": "tls.crt", "KEY": "tls.key"}
            values |= {f"RLHF_{name}": f"{TLS_FOLDER}/{file}" for name, file in files.items()}
        plain: list[Manifest] = [{"name": name, "value": value} for name, value in values.items()]
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if settings.worker_storage_secret else ()
        # 0.0.0.0 is where it listens; others find it under the pod's address, which nobody knows before there is a pod.
        own_address = {"name": "RLHF_WORKER_ADVERTISE", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
        return [*plain, own_address] + [
            {"name": key, "valueFrom": {"secretKeyRef": {"name": settings.worker_storage_secret, "key": key}}}
            for key in keys
        ]

    def _resources(self, assignment: Assignment) -> Manifest:
        """Requests equal limits: such pods are evicted last."""
        placement, settings = assignment.placement, self.settings
        amounts = {
            "cpu": placement.cpu or settings.worker_cpu,
            "memory": placement.memory or settings.worker_memory,
        }
        if placement.gpus_per_node:
            amounts[settings.gpu_resource] = str(placement.gpus_per_node)
        return {"requests": amounts, "limits": amounts}

    def _volumes(self, assignment: Assignment) -> list[tuple[Manifest, Manifest]]:
        """(volume, mount)"""
        settings = self.settings
        empty = {"work": (str(WORK_DIR), {"sizeLimit": settings.worker_disk}), "tmp": ("/tmp", {})}
        if assignment.placement.processes_per_node > 1:
            empty["shm"] = ("/dev/shm", {"medium": "Memory"})  # NCCL needs more than the 64 MiB there are
        secrets = {
            "token": (TOKEN_FOLDER, settings.worker_token_secret),
            "tls": (TLS_FOLDER, settings.worker_tls_secret),
        }
        return [
            *(({"name": n, "emptyDir": options}, {"name": n, "mountPath": at}) for n, (at, options) in empty.items()),
            *(
                ({"name": n, "secret": {"secretName": secret}}, {"name": n, "mountPath": at, "readOnly": True})
                for n, (at, secret) in secrets.items()
                if secret
            ),
        ]


def job_name(run_id: str, attempt: int) -> str:
    return f"{run_id}-a{attempt}"


def owner_labels(run_id: str, attempt: int) -> dict[str, str]:
    """By which the trainer finds its Jobs and pods, and people with kubectl."""
    own = {"app.kubernetes.io/instance": run_id, RUN_LABEL: run_id, ATTEMPT_LABEL: str(attempt)}
    return {**OWN_LABELS, **own}


def _toleration(toleration: Toleration) -> Manifest:
    matched = {"operator": "Equal", "value": toleration.value} if toleration.value else {"operator": "Exists"}
    return {"key": toleration.key, **matched, **({"effect": toleration.effect} if toleration.effect else {})}
