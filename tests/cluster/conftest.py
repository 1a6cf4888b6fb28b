"""What `make cluster-test` needs: KUBECONFIG of a cluster to try things on, and IMAGE, which its nodes can run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import rlhf

from tests.cluster.installation import Installation

IMAGE = os.environ.get("IMAGE", "")
# Part of no other suite: without an image there is nothing to collect.
collect_ignore_glob = [] if IMAGE else ["test_*.py"]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The overlay `local` in a namespace of its own, which goes at the end."""
    with Installation.create(IMAGE, tmp_path_factory.mktemp("installation")) as installed:
        yield installed


@pytest.fixture(scope="session")
def client(installation: Installation) -> Iterator[rlhf.Client]:
    """By port-forwards alone, with the token of an operator."""
    token = installation.token("operator")
    with (
        installation.forwarded("policy", "reward", "reference", "trainer") as addresses,
        rlhf.Client(**addresses, token=token, ca="", cert="", key="") as client,
    ):
        yield client


@pytest.fixture(scope="session")
def data(client: rlhf.Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Uploaded: the committed base model and the first rows of the examples."""
    folder = tmp_path_factory.mktemp("data")
    root = Path(__file__).parents[2]
    names = {"base": str(client.models.upload(root / "services/simulator/base_model/weights", name="base"))}
    for kind, rows in {"demonstrations": 64, "comparisons": 48, "prompts": 16}.items():
        file = folder / f"{kind}.jsonl"
        lines = (root / f"examples/{kind}.jsonl").read_text().splitlines(keepends=True)
        file.write_text("".join(lines[:rows]))
        names[kind] = str(client.datasets.upload(file, name=kind))
    return names


@pytest.fixture(scope="session")
def judge(client: rlhf.Client, data: dict[str, str]) -> str:
    spec = rlhf.RewardModel(base_model=data["base"], dataset=data["comparisons"], batch_size=16)
    run = client.runs.create(spec, name="rolled-judge", seed=1)
    run.wait(timeout=1200)
    return str(next(iter(run.results.values())).model)
