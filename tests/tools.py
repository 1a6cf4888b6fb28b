"""Programs that some tests need and not every machine has."""

import shutil

import pytest


def tool(name: str, package: str) -> str:
    """Its path. Skips where it is missing, by name: REQUIRE_TOOLS=1 makes that a failure."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs the tool {name} (Debian package {package})")
    return path
