"""What a control plane is told about the cluster that its workers run on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.runtime.errors import Problem
from services.runtime.settings import Settings, negative_seconds
from services.trainer.placement import CPU, MEMORY

LAUNCHERS = ("local", "kubernetes")
DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class ClusterSettings(Settings):
    launcher: str = "local"  # local: processes of this machine; kubernetes: a Job per attempt
    namespace: str = ""  # of the Jobs; empty: the trainer's own
    advertise: str = ""  # where workers reach this service; empty: where it listens
    lease: str = ""  # of which only one trainer holds; empty: there is one trainer only, and people see to it
    worker_image: str = ""
    worker_account: str = "default"  # service account of the pods, which get no token of it
    worker_service: str = "rlhf-worker"  # headless, selects the pods: the processes of several nodes meet through it
    worker_metrics_port: int = 9055
    worker_cpu: str = "1"  # of a pod whose run names none; request and limit
    worker_memory: str = "4Gi"
    worker_disk: str = "20Gi"  # for what a worker fetches and writes meanwhile
    worker_storage_secret: str = ""  # keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    worker_token_secret: str = ""  # key token: what a worker shows to the services
    worker_tls_secret: str = ""  # keys ca.crt, tls.crt and tls.key: whom a worker trusts, and who it is
    gpu_resource: str = "nvidia.com/gpu"
    cluster_domain: str = "cluster.local"
    room_seconds: float = 900.0  # a pod waits as long for a node or for quota before its run has failed
    repair_seconds: float = 120.0  # and as long for what somebody must repair: an image, a missing secret
    job_ttl_seconds: int = 86400  # finished Jobs stay for people to look at

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if self.launcher not in LAUNCHERS:
            yield Problem("launcher", repr(self.launcher), f"one of {', '.join(LAUNCHERS)}")
        if self.launcher == "kubernetes":
            yield from self._cluster_problems()

    def _cluster_problems(self) -> Iterator[Problem]:
        for name in ("worker_image", "advertise"):
            if not getattr(self, name):
                yield Problem(name, "nothing", "a value, for the launcher 'kubernetes'")
        for name in ("namespace", "worker_account", "worker_service"):
            if (value := getattr(self, name)) and not DNS_NAME.fullmatch(value):
                yield Problem(name, repr(value), "a name of lower-case letters, digits and '-'")
        for name, pattern in {"worker_cpu": CPU, "worker_memory": MEMORY, "worker_disk": MEMORY}.items():
            if not pattern.fullmatch(getattr(self, name)):
                yield Problem(name, repr(getattr(self, name)), "a Kubernetes quantity, as in '2' or '4Gi'")
        yield from negative_seconds(self, "room_seconds", "repair_seconds", "job_ttl_seconds")
