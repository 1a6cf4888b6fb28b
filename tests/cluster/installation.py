"""An installation of the overlay `local`, made and removed by what docs/deploy.md tells people to do."""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import accepts, free_port, wait_until

ROOT = Path(__file__).parents[2]
PORTS = {"policy": 50051, "reward": 50052, "reference": 50053, "trainer": 50054, "feedback": 50055, "gateway": 8080}
OWNER = "rlhf-test"  # a label by which pods of this namespace are told from those of other installations
START_SECONDS = 600.0  # two cores load torch for all services at once
# What people write into an overlay of their own: where, and which image.
KUSTOMIZATION = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources: [{overlay}]
labels:
  - pairs: {{{owner}: {namespace}}}
    includeTemplates: true
images:
  - {{name: rlhf, newName: {name}, newTag: {tag}}}
configMapGenerator:
  - name: rlhf-trainer
    behavior: merge
    literals: [{settings}]
patches: [{{path: trainer.json}}]
replacements:
  - source: {{kind: Deployment, name: rlhf-trainer, fieldPath: "spec.template.spec.containers.[name=service].image"}}
    targets:
      - select: {{kind: Deployment, name: rlhf-trainer}}
        fieldPaths: ["spec.template.spec.containers.[name=service].env.[name=RLHF_TRAINER_WORKER_IMAGE].value"]
"""
# Of the trainer, so that what cannot go well is told in seconds.
IMPATIENT = {
    "RLHF_TRAINER_ROOM_SECONDS": "20",
    "RLHF_TRAINER_REPAIR_SECONDS": "20",
    "RLHF_TRAINER_MAX_ATTEMPTS": "5",
}


@dataclass(frozen=True)
class Installation:
    namespace: str
    image: str
    folder: Path

    @classmethod
    @contextmanager
    def create(cls, image: str, folder: Path) -> Iterator["Installation"]:
        installed = cls(f"rlhf-test-{uuid.uuid4().hex[:6]}", image, folder)
        try:
            environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            subprocess.run([ROOT / "k8s/secrets.sh", installed.namespace], check=True, env=environment)
            installed.apply()
            yield installed
        finally:
            installed.kubectl("delete", "namespace", installed.namespace, "--wait=true", "--timeout=300s")

    def apply(
        self, settings: dict[str, str] | None = None, *, trainer: dict[str, Any] | None = None, ready: bool = True
    ) -> None:
        """The overlay, with more settings of the trainer and changes to its pod; returns when all of it is ready."""
        patch = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "rlhf-trainer"},
            "spec": {"template": {"spec": trainer or {}}},
        }
        name, _, tag = self.image.rpartition(":")
        overlay = os.path.relpath(ROOT / "k8s/overlays/local", self.folder.resolve())
        text = KUSTOMIZATION.format(
            owner=OWNER,
            namespace=self.namespace,
            overlay=overlay,
            name=name,
            tag=tag,
            settings=", ".join(f"{name}={value}" for name, value in {**IMPATIENT, **(settings or {})}.items()),
        )
        (self.folder / "trainer.json").write_text(json.dumps(patch))
        (self.folder / "kustomization.yaml").write_text(text)
        self.kubectl("apply", "--kustomize", str(self.folder))
        if ready:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        for deployment in ("object-store", *PORTS):
            self.kubectl("rollout", "status", f"deployment/rlhf-{deployment}", f"--timeout={START_SECONDS:g}s")

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        command = [kubectl(), "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def token(self, name: str) -> str:
        return base64.b64decode(self.get("secret", f"rlhf-token-{name}")["data"]["token"]).decode()

    def pods(self, name: str) -> list[str]:
        """Those that run, by the label app.kubernetes.io/name."""
        found = self.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"]
        return [p["metadata"]["name"] for p in found if p["status"]["phase"] == "Running"]

    def python(self, name: str, program: str, *arguments: str) -> str:
        """What a program prints in a pod of a service."""
        return self.kubectl("exec", name, "--container", "service", "--", "python", "-c", program, *arguments)

    def all_pods(self) -> list[str]:
        """Those that run, by name."""
        return [p["metadata"]["name"] for p in self.get("pods")["items"] if p["status"]["phase"] == "Running"]

    def kill(self, name: str) -> None:
        """As a node that is lost: no warning and no grace."""
        for pod in self.pods(name):
            self.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    @contextmanager
    def forwarded(self, *services: str) -> Iterator[dict[str, str]]:
        with ExitStack() as open_forwards:
            yield {s: open_forwards.enter_context(forward(self, f"deployment/rlhf-{s}", PORTS[s])) for s in services}


@contextmanager
def forward(installation: Installation, target: str, port: int) -> Iterator[str]:
    """A port of this machine that leads to `target`, forwarded anew whenever its pod has gone."""
    local, ended = free_port(), threading.Event()
    command = [kubectl(), "--namespace", installation.namespace, "port-forward", target, f"{local}:{port}"]
    processes: list[subprocess.Popen] = []

    def keep() -> None:
        while not ended.is_set():
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            processes[:] = [process]
            process.wait()
            ended.wait(1)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        wait_until(lambda: accepts(f"127.0.0.1:{local}"), seconds=60)
        yield f"127.0.0.1:{local}"
    finally:
        ended.set()
        for process in processes:
            process.terminate()
        thread.join(10)


def eventually(check: Callable[[], Any], seconds: float) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(1)
    return found


def kubectl() -> str:
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert found, "kubectl comes with the dev extra"
    return found
