"""Who judges, and what they can."""

import asyncio
import re
from collections.abc import Sequence

from services.feedback.archive import Archive
from services.feedback.recipe import MAX_SKILLS
from services.runtime.errors import InvalidInput, PermissionDenied, Problem
from services.storage.names import check_name

RATER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


def check_rater(field: str, name: str) -> str:
    """`name` itself: a name or an e-mail address, which is then safe as one part of a key. Raises InvalidInput."""
    if not RATER.fullmatch(name):
        expected = "1 to 100 letters, digits, '.', '_', '@', '+' or '-', the first a letter or digit"
        raise InvalidInput(Problem(field, repr(name[:120]), expected))
    return name


class Raters:
    """Somebody who was not set has no skills, and may judge where none are asked."""

    def __init__(self, archive: Archive, max_raters: int) -> None:
        self._archive, self._max_raters = archive, max_raters
        self._skills: dict[str, tuple[str, ...]] = {}

    def load(self) -> None:
        self._skills = self._archive.read_raters()

    def all(self) -> dict[str, tuple[str, ...]]:
        return dict(sorted(self._skills.items()))

    async def set(self, name: str, skills: Sequence[str]) -> None:
        check_rater("rater.name", name)
        for index, skill in enumerate(skills):
            check_name(f"rater.skills[{index}]", skill)
        if len(skills) > MAX_SKILLS:
            raise InvalidInput(Problem("rater.skills", str(len(skills)), f"at most {MAX_SKILLS}"))
        if name not in self._skills and len(self._skills) >= self._max_raters:
            raise InvalidInput(Problem("rater", f"{len(self._skills)} raters", f"at most {self._max_raters}"))
        await asyncio.to_thread(self._archive.write_rater, name, skills)
        self._skills[name] = tuple(skills)

    def require(self, rater: str, skills: Sequence[str]) -> None:
        """Raises PermissionDenied naming the skills that the rater lacks."""
        missing = sorted(set(skills) - set(self._skills.get(rater, ())))
        if missing:
            raise PermissionDenied(f"{rater} lacks the skill {', '.join(missing)}, which this campaign asks for")
