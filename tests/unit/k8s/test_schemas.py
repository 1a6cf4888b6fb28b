"""Every manifest against the schema of its kind, from the oldest supported Kubernetes to the newest there is."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils

from tests.unit.k8s.manifests import K8S, RENDERED, Manifest, render

OLDEST = (1, 32)
# It reads its 2 MB of definitions anew for every manifest.
utils.schema_contents = cache(utils.schema_contents)


def versions() -> list[str]:
    found = {utils.major_minor(version) for version in utils.all_versions()}
    return sorted((v for v in found if _number(v) >= OLDEST), key=_number)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@cache
def crd_schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """By (apiVersion, kind)."""
    schemas = [yaml.safe_load(file.read_text()) for file in (K8S / "schemas").glob("*.yaml")]
    return {(s["properties"]["apiVersion"]["const"], s["properties"]["kind"]["const"]): s for s in schemas}


def check(manifest: Manifest, version: str) -> None:
    """Raises for a wrong or unknown field, and for a kind that has no schema."""
    if schema := crd_schemas().get((manifest["apiVersion"], manifest["kind"])):
        jsonschema.validate(manifest, schema)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", versions())
def test_every_manifest_has_the_fields_of_its_kind(version: str) -> None:
    unique = {json.dumps(m, sort_keys=True): (name, m) for name in RENDERED for m in render(name)}
    wrong = []
    for name, manifest in unique.values():
        try:
            check(manifest, version)
        except Exception as error:
            wrong.append(
                f"{name} {manifest['kind']}/{manifest['metadata']['name']}: {getattr(error, 'message', error)}"
            )
    assert len(unique) > 50
    assert wrong == []


def test_the_newest_version_is_among_those() -> None:
    assert versions()[0] == "1.32"
    assert len(versions()) >= 6


def _podmonitor() -> Manifest:
    found = [m for m in render("overlays/production") if m["kind"] == "PodMonitor"]
    return json.loads(json.dumps(found[0]))


def test_a_kind_without_a_schema_is_refused() -> None:
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        check({"apiVersion": "monitoring.coreos.com/v1", "kind": "Probe", "metadata": {"name": "x"}}, "1.37")


@pytest.mark.parametrize("version", [versions()[0], versions()[-1]])
def test_an_unknown_field_is_refused(version: str) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"portz": []}}
    with pytest.raises(jsonschema.ValidationError):
        check(service, version)
    monitor = _podmonitor()
    check(monitor, version)
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "5s"
    with pytest.raises(jsonschema.ValidationError):
        check(monitor, version)


def test_each_schema_is_that_of_a_kind_we_use() -> None:
    used = {(m["apiVersion"], m["kind"]) for name in RENDERED for m in render(name)}
    assert set(crd_schemas()) <= used


def test_what_lies_in_the_tree_is_rendered() -> None:
    folders = {str(p.parent.relative_to(K8S)) for p in Path(K8S / "overlays").glob("*/kustomization.yaml")}
    assert {"overlays/local", "overlays/gpu", "overlays/production"} <= folders <= set(RENDERED)
