"""A pipeline on the cluster, by the SDK through port-forwards: what kills do to it, and that they change nothing."""

from pathlib import Path

import pytest
import rlhf
from safetensors.torch import load_file

from tests.cluster.installation import OWNER, Installation, eventually

pytestmark = pytest.mark.timeout(3600)

PATIENCE = 2400.0
# As an application in the cluster would call: by name, balanced over what answers there.
GENERATE = """
import sys, rlhf
with rlhf.Client(policy="dns:///rlhf-policy:50051") as client:
    for _ in range(8):
        client.policy.generate(["Why?"], model=sys.argv[1], max_new_tokens=4, timeout=120)
"""
METRICS = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9051/metrics', timeout=30).read().decode())"
# After this step's report, a pod of that name is lost. The trainer comes last: workers go on without it.
KILLS = {("sft", 3): "rlhf-worker", ("ppo", 1): "rlhf-policy", ("ppo", 2): "rlhf-worker", ("ppo", 4): "rlhf-trainer"}


def start(client: rlhf.Client, data: dict[str, str], name: str) -> rlhf.RunHandle:
    often = {"batch_size": 8, "checkpoint_every": 2}
    pipeline = rlhf.Pipeline(
        sft=rlhf.Sft(base_model=data["base"], dataset=data["demonstrations"], epochs=1, **often),
        judge=rlhf.RewardModel(base_model="stage:sft", dataset=data["comparisons"], **often),
        ppo=rlhf.Ppo(
            policy_model="stage:sft", reward_model="stage:judge", prompts=data["prompts"], steps=6,
            prompts_per_step=8, samples_per_prompt=2, max_new_tokens=16, checkpoint_every=1,
        ),
    )  # fmt: skip
    return client.runs.create(pipeline, name=name, seed=7, deterministic=True)


def digests(run: rlhf.Run) -> dict[str, str]:
    return {name: result.model.digest for name, result in run.results.items() if result.model}


@pytest.fixture(scope="module")
def uninterrupted(client: rlhf.Client, data: dict[str, str]) -> rlhf.RunHandle:
    run = start(client, data, "whole")
    run.wait(timeout=PATIENCE)
    return run


def test_a_pipeline_runs_and_its_model_comes_back(
    client: rlhf.Client, uninterrupted: rlhf.RunHandle, tmp_path: Path
) -> None:
    assert (uninterrupted.state, uninterrupted.attempt) == ("succeeded", 1)
    model = uninterrupted.results["ppo"].model
    folder = client.models.download(str(model), tmp_path / "model")
    assert load_file(folder / "model.safetensors")
    assert "ppo" in "".join(uninterrupted.logs(timeout=60))
    reasons = [event.reason for event in uninterrupted.events()]
    assert reasons[0] == "Queued"
    assert reasons[-1] == "Succeeded"


def test_a_run_that_loses_worker_policy_and_trainer_equals_it(
    client: rlhf.Client, installation: Installation, data: dict[str, str], uninterrupted: rlhf.RunHandle
) -> None:
    run, left = start(client, data, "killed"), dict(KILLS)
    for event in run.watch(timeout=PATIENCE):
        if event.metrics and (lost := left.pop((event.stage, event.step), None)):
            installation.kill(lost)
    run.refresh()
    assert left == {}
    assert run.state == "succeeded", run.reason
    assert run.attempt == 3, "two of its workers were lost"
    assert digests(run) == digests(uninterrupted)
    told = [event.message for event in run.events() if event.reason == "Queued"]
    assert [message for message in told[1:] if "its pod, which was deleted" not in message] == []


def test_policy_scales_and_every_replica_answers(
    client: rlhf.Client, installation: Installation, uninterrupted: rlhf.RunHandle
) -> None:
    installation.kubectl("scale", "deployment/rlhf-policy", "--replicas=2")
    try:
        installation.wait_until_ready()
        replicas = installation.pods("rlhf-policy")
        assert len(replicas) == 2
        model = str(uninterrupted.results["sft"].model)
        eventually(lambda: generated(installation, model) and all(answered(installation, pod) for pod in replicas), 300)
    finally:
        installation.kubectl("scale", "deployment/rlhf-policy", "--replicas=1")
        eventually(lambda: len(installation.pods("rlhf-policy")) == 1, 180)


def generated(installation: Installation, model: str) -> bool:
    installation.python("deployment/rlhf-feedback", GENERATE, model)
    return True


def answered(installation: Installation, pod: str) -> bool:
    """Whether that replica has generated anything since it started."""
    lines = installation.python(f"pod/{pod}", METRICS).splitlines()
    return any(
        line.startswith("grpc_server_handled_total{") and '"Generate"' in line and '"OK"' in line for line in lines
    )


def test_a_drain_moves_everything_and_the_run_goes_on(
    client: rlhf.Client, installation: Installation, data: dict[str, str]
) -> None:
    """All but the object store of this overlay, whose data goes with its pod."""
    mine = {OWNER: installation.namespace}
    spec = rlhf.Sft(
        base_model=data["base"], dataset=data["demonstrations"], epochs=20, batch_size=8, checkpoint_every=4
    )
    run = client.runs.create(spec, name="drained", placement=rlhf.Placement(labels=mine))
    next(event for event in run.watch(timeout=PATIENCE) if event.step >= 4)
    (worker,) = installation.get("pods", "--selector", f"rlhf/run={run.id}")["items"]
    node, before = worker["spec"]["nodeName"], set(installation.all_pods())
    selector = f"{OWNER}={installation.namespace},app.kubernetes.io/component!=object-store"
    try:
        installation.kubectl("drain", node, f"--pod-selector={selector}", "--delete-emptydir-data", "--timeout=240s")
    finally:
        installation.kubectl("uncordon", node)
    installation.wait_until_ready()
    run.wait(timeout=PATIENCE)
    left = {pod.rsplit("-", 2)[0] for pod in before & set(installation.all_pods())}
    assert left <= {"rlhf-object-store"}
    assert (run.state, run.attempt) == ("succeeded", 2)
    told = " ".join(event.message for event in run.events())
    assert f"was evicted from node {node}" in told or "DisruptionTarget" in told
