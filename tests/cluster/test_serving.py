"""What applications see while the platform changes under them, and what Prometheus sees."""

import json
import os
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rlhf
import yaml

from tests.cluster.installation import PORTS, ROOT, Installation, eventually, kubectl
from tests.conftest import accepts, free_port, wait_until

pytestmark = pytest.mark.timeout(1800)

# A pod of the installation calls as an application in the cluster would: by name, balanced over what answers there.
CALLER = """
import sys, time, rlhf
model, seconds = sys.argv[1], float(sys.argv[2])
deadline, answered = time.monotonic() + seconds, 0
with rlhf.Client() as client:
    client.reward.score([("a b", " c")], model=model, timeout=120)
    print("begun", flush=True)
    while time.monotonic() < deadline:
        client.reward.score([("a b", " c")], model=model, timeout=60)
        answered += 1
print("answered", answered, flush=True)
"""
TARGETS = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9054/targets', timeout=30).read().decode())"


def test_a_rollout_of_reward_fails_no_request(installation: Installation, judge: str) -> None:
    before = installation.pods("rlhf-reward")
    caller = subprocess.Popen(
        [kubectl(), "--namespace", installation.namespace, "exec", "deployment/rlhf-feedback", "--", "env",
         "RLHF_REWARD=dns:///rlhf-reward:50052", "python", "-c", CALLER, judge, "150"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert caller.stdout
    assert caller.stdout.readline() == "begun\n", caller.stdout.read()
    installation.kubectl("rollout", "restart", "deployment/rlhf-reward")
    installation.wait_until_ready()
    eventually(
        lambda: installation.pods("rlhf-reward") and not set(installation.pods("rlhf-reward")) & set(before), 180
    )
    said, _ = caller.communicate(timeout=300)
    assert caller.returncode == 0, said
    assert int(said.split()[-1]) > 100


def test_prometheus_finds_every_service_and_the_worker_with_its_stages(
    client: rlhf.Client, installation: Installation, data: dict[str, str], judge: str, tmp_path: Path
) -> None:
    """With the scrape configuration that is shipped for a Prometheus without the operator."""
    with prometheus(installation, tmp_path) as ask:
        spec = rlhf.Ppo(
            policy_model=data["base"], reward_model=judge, prompts=data["prompts"], steps=4, prompts_per_step=8,
            samples_per_prompt=2, max_new_tokens=16, checkpoint_every=1,
        )  # fmt: skip
        run = client.runs.create(spec, name="watched", seed=1)
        eventually(lambda: {m["container"] for m in ask("up == 1")} >= {"service", "worker"}, 600)
        (worker,) = installation.get("pods", "--selector", f"rlhf/run={run.id}")["items"]
        address = f"{worker['status']['podIP']}:9055"
        assert address in [metric["instance"] for metric in ask('up{container="worker"} == 1')]
        told = eventually(lambda: json.loads(installation.python("deployment/rlhf-trainer", TARGETS)), 60)
        assert told == [{"targets": [address]}]
        run.wait(timeout=1200)
        up = {m["pod"].removeprefix("rlhf-").split("-")[0] for m in ask('up{container="service"} == 1')}
        assert up == set(PORTS)
        stages = {m["stage"] for m in ask("last_over_time(rlhf_stage_seconds_count[30m])")}
        assert {"rollout", "score", "reference", "advantage", "update", "publish", "checkpoint"} <= stages
        assert ask(f'last_over_time(rlhf_run_step{{run="{run.id}"}}[30m])')


@contextmanager
def prometheus(installation: Installation, folder: Path) -> Iterator:
    """A query → the labels of what it finds. PROMETHEUS names a program that knows Kubernetes (3 or later)."""
    program = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    if not program:
        pytest.skip("PROMETHEUS names no program")
    pod = installation.get("pods", "--selector", "app.kubernetes.io/name=rlhf-policy")["items"][0]
    if not accepts(f"{pod['status']['podIP']}:9051"):
        pytest.skip("pods cannot be reached from here")
    config = yaml.safe_load((ROOT / "k8s/components/monitoring/prometheus.yaml").read_text())
    (job,) = config["scrape_configs"]
    job["scrape_interval"] = "2s"
    (discovery,) = job["kubernetes_sd_configs"]
    discovery |= {"kubeconfig_file": os.environ["KUBECONFIG"], "namespaces": {"names": [installation.namespace]}}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    flags = [f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/tsdb"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, *flags, f"--web.listen-address={address}"], stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or accepts(address), seconds=60)
        assert process.poll() is None, (folder / "log").read_text()

        def ask(query: str) -> list[dict[str, str]]:
            url = f"http://{address}/api/v1/query?query={urllib.parse.quote(query)}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                return [result["metric"] for result in json.load(answer)["data"]["result"]]

        yield ask
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
