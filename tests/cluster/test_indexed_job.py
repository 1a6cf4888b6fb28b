"""Two pods of an Indexed Job, which meet through the headless Service of workers and train as one (gloo)."""

import pytest
import rlhf

from tests.cluster.installation import Installation

pytestmark = pytest.mark.timeout(2400)


def test_two_pods_train_sft_and_ppo(
    client: rlhf.Client, installation: Installation, data: dict[str, str], judge: str
) -> None:
    pipeline = rlhf.Pipeline(
        sft=rlhf.Sft(base_model=data["base"], dataset=data["demonstrations"], epochs=1, batch_size=8),
        ppo=rlhf.Ppo(
            policy_model="stage:sft", reward_model=judge, prompts=data["prompts"], steps=2, prompts_per_step=8,
            samples_per_prompt=2, max_new_tokens=16,
        ),
    )  # fmt: skip
    placement = rlhf.Placement(nodes=2, cpu="500m", memory="1536Mi")
    run = client.runs.create(pipeline, name="two-pods", seed=3, placement=placement)
    run.wait(timeout=1800)
    assert (run.state, run.attempt) == ("succeeded", 1)
    assert run.results["sft"].model
    assert run.results["ppo"].model
    (job,) = installation.get("jobs", "--selector", f"rlhf/run={run.id}")["items"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["status"]["completedIndexes"] == "0,1"
