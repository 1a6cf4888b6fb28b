"""Names that people give to datasets, models and aliases."""

import re

from services.runtime.errors import InvalidInput, Problem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(field: str, name: str) -> str:
    """`name` itself, which is then safe as one part of a key. Raises InvalidInput."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            Problem(field, repr(name[:120]), "1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit")
        )
    return name


def check_alias(alias: str) -> str:
    """An alias has two parts, as in "policy/default". Raises InvalidInput."""
    parts = alias.split("/")
    if len(parts) != 2 or not all(map(NAME.fullmatch, parts)) or parts[0] in ("models", "datasets"):
        raise InvalidInput(Problem("alias", repr(alias[:120]), "two names, as in 'policy/default'"))
    return alias
