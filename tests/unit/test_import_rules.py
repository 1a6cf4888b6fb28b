"""The rules that keep services apart: a service never imports another, libraries import no service."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = {"runtime", "storage", "language_model", "data", "simulator", "serving"}
# These put the whole system together, so they may know all of it.
ORCHESTRATORS = {"local", "quickstart", "monitoring"}
# The modules that speak the contracts; everything else works on plain values.
CONTRACT_MODULES = ("servicer.py", "rollouts.py", "specs.py", "progress.py")
# Clients and services connect alike.
CONNECTING = ("rlhf.connections", "rlhf.credentials", "rlhf.errors", "rlhf.watched")
# A client like any other: it asks the services through the SDK, and never speaks the contracts itself.
CLIENTS = {"gateway"}
NO_TORCH = {"runtime", "storage", "data", "gateway"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules() -> list[Path]:
    return sorted((ROOT / "services").rglob("*.py"))


def package(path: Path) -> str:
    return path.relative_to(ROOT / "services").parts[0]


def top(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_keeps_the_import_rules(path: Path) -> None:
    names, own = imports(path), package(path)
    services = {n.split(".")[1] for n in names if n.startswith("services.") and n.count(".")} - LIBRARIES
    if own in LIBRARIES:
        assert not services, f"the library {own} imports services {services}"
    elif own not in ORCHESTRATORS:
        assert services <= {own}, f"the service {own} imports {services - {own}}"
    if own not in ORCHESTRATORS and not path.name.endswith(CONTRACT_MODULES):
        spoken = {name for name in names if not (own == "runtime" and name.startswith(CONNECTING))}
        if own in CLIENTS:
            assert not {name for name in names if name.startswith(("rlhf.v1", "grpc"))}, "clients use the SDK"
        else:
            assert "rlhf" not in top(spoken), "only modules that speak the contracts import rlhf"
    if own in NO_TORCH:
        assert not top(names) & {"torch", "transformers"}
    if own == "language_model":
        assert "grpc" not in top(names)


def test_every_file_stays_short() -> None:
    """A file that needs scrolling through is two files."""
    tracked = [*modules(), *(p for p in (ROOT / "clients/python/src/rlhf").rglob("*.py") if "v1" not in p.parts)]
    long = {str(p.relative_to(ROOT)): n for p in tracked if (n := len(p.read_text().splitlines())) > 400}
    assert not long
