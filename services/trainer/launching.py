"""Which launcher the settings ask for, and what it takes."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from services.runtime.channels import own_credentials
from services.runtime.errors import InvalidInput, Problem
from services.runtime.server import Address
from services.trainer.launchers.cluster import ClusterLauncher
from services.trainer.launchers.command import WorkerSettings
from services.trainer.launchers.launcher import Launcher
from services.trainer.launchers.local import LocalLauncher
from services.trainer.launchers.manifest import JobTemplate
from services.trainer.settings import TrainerSettings

OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def launcher(settings: TrainerSettings, address: Address) -> Launcher:
    """`address` is where this service listens."""
    return cluster_launcher(settings) if settings.launcher == "kubernetes" else local_launcher(settings, address)


def local_launcher(settings: TrainerSettings, address: Address) -> LocalLauncher:
    """Raises InvalidInput where no service would answer the workers."""
    if settings.wants_tokens and not own_credentials(os.environ).has_token:
        raise InvalidInput(Problem("RLHF_TOKEN", "nothing", "a token for workers, or a file of it as RLHF_TOKEN_FILE"))
    return LocalLauncher(_worker(settings, settings.advertise or address.from_this_machine))


def cluster_launcher(settings: TrainerSettings, api: ApiClient | None = None) -> Launcher:
    """`api` is a client of the API server; by default the one that this process is meant to ask."""
    placed = dataclasses.replace(settings, namespace=settings.namespace or own_namespace())
    worker = _worker(settings, settings.advertise)
    template = JobTemplate(placed, worker, settings.stop_seconds, tracing_variables(os.environ))
    return ClusterLauncher(api or open_api(), template)


def tracing_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Where traces go. Headers, which may hold a key, stay here: anybody who may read Jobs could read them."""
    return {n: value for n, value in environ.items() if n.startswith("OTEL_") and not n.endswith("_HEADERS")}


def open_api() -> ApiClient:
    """As a pod of the cluster, or as KUBECONFIG says."""
    configuration = Configuration()
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(client_configuration=configuration)
    else:
        config.load_kube_config(client_configuration=configuration)
    return ApiClient(configuration)


def own_namespace() -> str:
    """Of this pod; outside of a cluster that of the current context."""
    if OWN_NAMESPACE.exists():
        return OWN_NAMESPACE.read_text().strip()
    _, active = config.list_kube_config_contexts()
    return active["context"].get("namespace", "default")


def absolute(storage: str) -> str:
    """A worker runs in a folder of its own, where a relative path would mean another place."""
    return storage if "://" in storage else str(Path(storage).expanduser().absolute())


def _worker(settings: TrainerSettings, trainer: str) -> WorkerSettings:
    return WorkerSettings(
        storage=absolute(settings.storage),
        trainer=trainer,
        policy=settings.policy,
        reward=settings.reward,
        reference=settings.reference,
        work_dir=settings.work_dir.absolute(),
        log_json=settings.log_json,
        service_seconds=settings.service_seconds,
    )
