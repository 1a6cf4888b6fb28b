"""Everything that is wrong with a request, instead of the first thing."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.errors import InvalidInput, Problem


class Problems(list[Problem]):
    @contextmanager
    def collected(self) -> Iterator[None]:
        """Notes what the block finds wrong and goes on."""
        try:
            yield
        except InvalidInput as error:
            self.extend(error.problems)

    def add(self, field: str, given: object, expected: str) -> None:
        self.append(Problem(field, str(given), expected))

    def check(self) -> None:
        """Raises InvalidInput with each problem once."""
        if self:
            raise InvalidInput(*dict.fromkeys(self))
