"""Lists in parts."""

from collections.abc import Sequence
from typing import TypeVar

from services.runtime.errors import InvalidInput, Problem

PAGE, LARGEST_PAGE = 100, 1000
T = TypeVar("T")


def page(items: Sequence[T], size: int, token: str) -> tuple[Sequence[T], str]:
    """The part that `token` points at, and the token of the next; empty for the first, and after the last.

    What is appended meanwhile comes later; nothing is skipped.
    """
    if size > LARGEST_PAGE:
        raise InvalidInput(Problem("page_size", str(size), f"at most {LARGEST_PAGE}"))
    if token and not (token.isascii() and token.isdigit() and len(token) < 12):
        raise InvalidInput(Problem("page_token", repr(token[:40]), "the next_page_token of an earlier answer"))
    start = int(token or 0)
    end = start + (size or PAGE)
    return items[start:end], str(end) if end < len(items) else ""
