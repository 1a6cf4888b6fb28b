"""A pipeline on the cluster, by the SDK through port-forwards: what kills do to it, and that they change nothing."""

from pathlib import Path

import pytest
import rlhf
from safetensors.torch import load_file

from tests.cluster.installation import Installation, eventually

pytestmark = pytest.mark.timeout(3600)

PATIENCE = 2400.0
# After this step's report, a pod of that name is lost.
KILLS = {("sft", 3): "rlhf-worker", ("ppo", 1): "rlhf-policy", ("ppo", 2): "rlhf-trainer", ("ppo", 3): "rlhf-worker"}


def start(client: rlhf.Client, data: dict[str, str], name: str) -> rlhf.RunHandle:
    often = {"batch_size": 8, "checkpoint_every": 2}
    pipeline = rlhf.Pipeline(
        sft=rlhf.Sft(base_model=data["base"], dataset=data["demonstrations"], epochs=1, **often),
        judge=rlhf.RewardModel(base_model="stage:sft", dataset=data["comparisons"], **often),
        ppo=rlhf.Ppo(
            policy_model="stage:sft", reward_model="stage:judge", prompts=data["prompts"], steps=4,
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
    assert run.attempt >= 3, "both of its workers were lost"
    assert digests(run) == digests(uninterrupted)
    assert "Lost" in [event.reason for event in run.events()] or run.attempt > 1


def test_policy_scales_and_every_replica_answers(
    client: rlhf.Client, installation: Installation, uninterrupted: rlhf.RunHandle
) -> None:
    installation.kubectl("scale", "deployment/rlhf-policy", "--replicas=2")
    installation.wait_until_ready()
    try:
        assert len(installation.pods("rlhf-policy")) == 2
        slices = installation.get("endpointslices", "--selector", "kubernetes.io/service-name=rlhf-policy")["items"]
        assert sum(len(s["endpoints"]) for s in slices) == 2
    finally:
        installation.kubectl("scale", "deployment/rlhf-policy", "--replicas=1")
        eventually(lambda: len(installation.pods("rlhf-policy")) == 1, 180)
