"""The table of settings in docs/training.md is the one in recipes.py."""

from dataclasses import MISSING, Field, fields
from pathlib import Path

import pytest

from services.trainer.recipes import KINDS

DOCS = Path(__file__).parents[3] / "docs/training.md"


def rows(kind: str) -> list[str]:
    """`| ppo | clip_range | 0.2 |` and so on, the optimisation's fields among them."""
    return [f"| {kind} | {name} | {value} |" for name, value in defaults(kind).items()]


def defaults(kind: str) -> dict[str, object]:
    given = {field.name: default(field) for field in fields(KINDS[kind])}
    optimization = given.pop("optimization", None)
    settings = {field.name: getattr(optimization, field.name) for field in fields(optimization)} if optimization else {}
    return {name: value for name, value in {**given, **settings}.items() if value is not MISSING and value != ""}


def default(field: Field) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@pytest.mark.parametrize("kind", KINDS)
def test_every_default_is_in_the_table(kind: str) -> None:
    text = DOCS.read_text()
    assert [row for row in rows(kind) if row not in text] == []
