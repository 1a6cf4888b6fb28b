import json
from typing import Any

import pytest
from kubernetes.client import ApiClient, V1Job

from services.runtime.settings import load_settings
from services.trainer.launchers.cluster_settings import ClusterSettings
from services.trainer.launchers.command import WorkerSettings
from services.trainer.launchers.launcher import Assignment
from services.trainer.launchers.manifest import WORK_DIR, JobTemplate
from services.trainer.launching import tracing_variables
from services.trainer.placement import Placement, Toleration
from services.trainer.worker.settings import WorkerSettings as Worker

CLUSTER = {"launcher": "kubernetes", "namespace": "ml", "advertise": "rlhf-trainer:50054", "worker_image": "rlhf:1.2"}
WORKER = WorkerSettings("s3://bucket", "rlhf-trainer:50054", "dns:///p:1", "dns:///r:1", "dns:///f:1", WORK_DIR, True)


def job(placement: Placement | None = None, deadline_seconds: int = 0, **settings: Any) -> dict[str, Any]:
    template = JobTemplate(ClusterSettings(**{**CLUSTER, **settings}), WORKER, stop_seconds=30.0)
    return template.job(Assignment("run-1", 2, 3, placement or Placement(), deadline_seconds))


def pod(*args: Any, **settings: Any) -> dict[str, Any]:
    return job(*args, **settings)["spec"]["template"]["spec"]


def container(*args: Any, **settings: Any) -> dict[str, Any]:
    (only,) = pod(*args, **settings)["containers"]
    return only


def environment(**settings: Any) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") or entry["valueFrom"] for entry in container(**settings)["env"]}


def test_a_job_belongs_to_its_run_and_attempt() -> None:
    made = job()
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("run-1-a2", "ml")
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"]
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/name": "rlhf-worker",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/part-of": "rlhf",
        "app.kubernetes.io/managed-by": "rlhf-trainer",
        "app.kubernetes.io/instance": "run-1",
        "rlhf/run": "run-1",
        "rlhf/attempt": "2",
    }


def test_last_words_are_kept_by_the_cluster_and_never_mixed_with_the_log() -> None:
    made = container()
    assert made["args"][made["args"].index("--last-words") + 1] == made["terminationMessagePath"]
    assert made["terminationMessagePolicy"] == "File"


def test_no_cluster_makes_a_second_worker_of_one_attempt() -> None:
    spec = job()["spec"]
    assert spec["backoffLimit"] == 0
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule == {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert pod()["restartPolicy"] == "Never"


def test_a_single_node_runs_torchrun_alone() -> None:
    made = container(Placement(processes_per_node=2))
    assert made["command"] == [
        *("torchrun", "--standalone", "--nproc-per-node=2", "--shutdown-timeout=35"),
        *("--", "-m", "services.trainer.worker"),
    ]
    assert made["args"] == [
        *("--storage", "s3://bucket", "--run", "run-1", "--attempt", "2", "--trainer", "rlhf-trainer:50054"),
        *("--policy", "dns:///p:1", "--reward", "dns:///r:1", "--reference", "dns:///f:1"),
        *("--threads", "3", "--work-dir", "/work", "--service-seconds", "1800"),
        *("--last-words", "/dev/termination-log"),
        "--log-json",
        *("--metrics-host", "0.0.0.0", "--metrics-port", "9055"),
    ]
    assert job()["spec"]["completionMode"] == "NonIndexed"


def test_several_nodes_meet_at_the_first_pod() -> None:
    made = job(Placement(nodes=3))["spec"]
    assert (made["completionMode"], made["completions"], made["parallelism"]) == ("Indexed", 3, 3)
    pod = made["template"]["spec"]
    assert pod["subdomain"] == "rlhf-worker"
    assert {
        "--nnodes=3",
        "--rdzv-backend=c10d",
        "--rdzv-id=run-1-a2",
        "--rdzv-endpoint=run-1-a2-0.rlhf-worker.ml.svc.cluster.local:29400",
    } <= set(pod["containers"][0]["command"])


def test_a_placement_ends_up_in_the_fields_that_are_meant_for_it() -> None:
    placement = Placement(
        gpus_per_node=2,
        cpu="8",
        memory="64Gi",
        node_selector={"disk": "ssd"},
        tolerations=(Toleration("gpu", effect="NoSchedule"), Toleration("team", "a")),
        priority_class="high",
        labels={"kueue.x-k8s.io/queue-name": "team-a"},
    )
    made = job(placement, deadline_seconds=600)
    spec = made["spec"]["template"]["spec"]
    amounts = {"cpu": "8", "memory": "64Gi", "example.com/gpu": "2"}
    resources = job(placement, gpu_resource="example.com/gpu")["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"requests": amounts, "limits": amounts}
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"disk": "ssd"}, "high")
    assert spec["tolerations"] == [
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "a"},
    ]
    assert made["spec"]["activeDeadlineSeconds"] == 600
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert made["spec"]["suspend"] is True


def test_what_nobody_asked_for_is_not_there() -> None:
    made = job()["spec"]
    assert not {"suspend", "activeDeadlineSeconds"} & made.keys()
    assert "priorityClassName" not in pod()
    assert container()["resources"]["limits"] == {"cpu": "1", "memory": "4Gi"}


def test_pods_keep_to_the_restricted_profile_and_hold_no_token() -> None:
    spec, inside = pod(), container()
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert inside["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert {mount["mountPath"] for mount in inside["volumeMounts"]} == {"/work", "/tmp"}
    assert all("emptyDir" in volume for volume in spec["volumes"])


def test_secrets_are_named_and_never_written_out() -> None:
    secrets = {"worker_storage_secret": "s3", "worker_token_secret": "token", "worker_tls_secret": "tls"}
    told = environment(**secrets)
    assert told["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "s3", "key": "AWS_ACCESS_KEY_ID"}}
    assert told["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": "s3", "key": "AWS_SECRET_ACCESS_KEY"}}
    mounted = {mount["name"]: mount["mountPath"] for mount in container(**secrets)["volumeMounts"]}
    for name, folder in {"TOKEN_FILE": "token", "CA": "tls", "CERT": "tls", "KEY": "tls"}.items():
        assert told[f"RLHF_{name}"].startswith(f"{mounted[folder]}/")
    assert [v["secret"]["secretName"] for v in pod(**secrets)["volumes"] if "secret" in v] == ["token", "tls"]
    assert "RLHF_ALLOW_PLAINTEXT_TOKEN" not in told


def test_a_token_without_tls_is_allowed_to_travel_in_plaintext() -> None:
    told = environment(worker_token_secret="token")
    assert told["RLHF_ALLOW_PLAINTEXT_TOKEN"] == "true"
    assert "RLHF_CA" not in told


def test_metrics_are_found_under_the_address_of_the_pod() -> None:
    """0.0.0.0, where the worker listens, is nowhere for anybody else."""
    assert environment()["RLHF_WORKER_ADVERTISE"] == {"fieldRef": {"fieldPath": "status.podIP"}}


def test_traces_of_a_worker_go_where_the_trainer_sends_its_own() -> None:
    traced = tracing_variables(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_HEADERS": "k=v", "A": "b"}
    )
    template = JobTemplate(ClusterSettings(**CLUSTER), WORKER, 30.0, traced)
    made = template.job(Assignment("run-1", 2, 3))["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://c:4317"} in made
    assert not {"OTEL_EXPORTER_OTLP_HEADERS", "A"} & {entry["name"] for entry in made}


def test_every_variable_of_a_worker_is_one_that_it_reads() -> None:
    secrets = {"worker_storage_secret": "s3", "worker_token_secret": "token", "worker_tls_secret": "tls"}
    told = {name: "" for name in environment(**secrets)}
    flags = ["--storage", "s3://bucket", "--run", "run-1", "--attempt", "1"]
    read = load_settings(Worker, "RLHF_WORKER_", flags, {**told, "RLHF_WORKER_ADVERTISE": "10.0.0.7"})
    assert read.advertise == "10.0.0.7"


def test_a_pod_has_more_grace_than_torchrun_and_that_more_than_a_step() -> None:
    """Who is killed in between leaves its processes behind or its last word unsaid."""
    assert pod()["terminationGracePeriodSeconds"] > 35 > 30


@pytest.mark.parametrize("placement", [Placement(), Placement(nodes=2, labels={"kueue.x-k8s.io/queue-name": "q"})])
def test_every_field_is_one_that_kubernetes_knows(placement: Placement) -> None:
    """What the client's models do not know is lost on the way through them."""
    client, made = ApiClient(), job(placement, worker_storage_secret="s3", worker_tls_secret="tls")
    known: Any = client.sanitize_for_serialization(client.deserialize(json.dumps(made), V1Job, "application/json"))
    assert known == made
