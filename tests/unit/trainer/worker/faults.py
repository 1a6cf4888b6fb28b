"""Deaths at chosen places, for tests of what survives them."""

from collections.abc import Callable
from typing import Any

import pytest


class Killed(Exception):
    """Stands for SIGKILL: nothing after it runs, nothing is flushed."""


def kill_at(patch: pytest.MonkeyPatch, owner: Any, name: str, call: int, after: bool = False) -> None:
    """The `call`-th call (from 1) of `owner.name` raises Killed, before it does anything or once it has."""
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        result = original(*args, **kwargs)
        if calls == call:
            raise Killed
        return result

    patch.setattr(owner, name, dying)
