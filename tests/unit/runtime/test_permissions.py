"""Every method of the contracts has its row, in the code and in the documentation."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import rlhf.v1

from services.runtime.identity import Role
from services.runtime.permissions import PERMISSIONS, roles_for

ROOT = Path(__file__).parents[3]
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def methods() -> Iterator[str]:
    """As the generated descriptors have them."""
    for module in pkgutil.iter_modules(rlhf.v1.__path__, "rlhf.v1."):
        if module.name.endswith("_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                yield from (f"/{service.full_name}/{method.name}" for method in service.methods)


def test_every_method_has_a_row_and_every_row_a_method() -> None:
    found = list(methods())
    assert len(found) > 25
    assert set(PERMISSIONS) == {*found, REFLECTION}


def test_an_operator_may_do_everything_and_an_annotator_only_judge() -> None:
    assert all(Role.OPERATOR in roles for roles in PERMISSIONS.values())
    assert {method.split("/")[1] for method, roles in PERMISSIONS.items() if Role.ANNOTATOR in roles} == {
        "rlhf.v1.FeedbackService",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_a_method_without_a_row_is_for_operators() -> None:
    assert roles_for("/test.Echo/Echo") == {Role.OPERATOR}


def test_the_documentation_says_the_same() -> None:
    """docs/security.md has a table: method, then a mark for each role."""
    rows = re.findall(r"^\| `([A-Z]\w+)` \|(.*)\|$", (ROOT / "docs/security.md").read_text(), re.MULTILINE)
    order = (Role.CALLER, Role.TRAINER, Role.ANNOTATOR, Role.OPERATOR)
    documented = {
        name: {role for role, mark in zip(order, marks.split("|"), strict=True) if mark.strip()} for name, marks in rows
    }
    assert documented == {method.rpartition("/")[2]: set(roles) for method, roles in PERMISSIONS.items()}
