"""What kustomize makes of every overlay and variant, as people would apply it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).parents[3] / "k8s"
RENDERED = tuple(sorted(str(p.parent.relative_to(K8S)) for p in K8S.glob("[ov]*/*/kustomization.yaml")))
# One process each. Those that speak gRPC have a headless Service; the gateway speaks HTTP.
SERVICES = ("policy", "reward", "reference", "trainer", "feedback")
DEPLOYED = (*SERVICES, "gateway")

Manifest = dict[str, Any]


@cache
def render(name: str) -> tuple[Manifest, ...]:
    """`name` is a folder below k8s/."""
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert kubectl, "kubectl comes with the dev extra"
    done = subprocess.run([kubectl, "kustomize", K8S / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def of_kind(name: str, *kinds: str) -> Iterator[Manifest]:
    return (m for m in render(name) if m["kind"] in kinds)


def named(name: str, kind: str, wanted: str) -> Manifest:
    """A generated ConfigMap is found by its name with and without the hash."""
    found = [m for m in of_kind(name, kind) if wanted in (m["metadata"]["name"], _plain_name(m))]
    assert len(found) == 1, f"{len(found)} {kind} {wanted} in {name}"
    return found[0]


def pods(name: str) -> Iterator[tuple[str, Manifest]]:
    """(who, pod template)"""
    for manifest in of_kind(name, "Deployment", "StatefulSet", "DaemonSet", "Job"):
        yield f"{manifest['kind']}/{manifest['metadata']['name']}", manifest["spec"]["template"]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]


def _plain_name(manifest: Manifest) -> str:
    name = manifest["metadata"]["name"]
    return name.rsplit("-", 1)[0] if manifest["kind"] == "ConfigMap" else name
