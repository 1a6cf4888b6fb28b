"""Aliases such as "policy/default": the only mutable pointers, moved by the control plane alone."""

import json

from services.runtime.errors import Conflict, NotFound
from services.storage.names import check_alias
from services.storage.object_store import ObjectNotFound, ObjectStore

HISTORY = 5  # how many rollbacks are possible in a row


class Aliases:
    """An alias holds references "name@version", the current one first and then those it had before."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def all(self) -> dict[str, list[str]]:
        names = [info.key.removeprefix("aliases/").removesuffix(".json") for info in self._store.list("aliases")]
        return {name: self.get(name) for name in names}

    def get(self, alias: str) -> list[str]:
        """Raises NotFound."""
        try:
            return json.loads(self._store.get(_key(alias)))
        except ObjectNotFound:
            raise NotFound("alias", alias, list(self.all())) from None

    def point(self, alias: str, reference: str) -> None:
        try:
            before = [r for r in self.get(alias) if r != reference]
        except NotFound:
            before = []
        self._write(alias, [reference, *before[:HISTORY]])

    def rollback(self, alias: str) -> str:
        """The reference that the alias had before, and has again. Raises NotFound, or Conflict without a past."""
        history = self.get(alias)
        if len(history) < 2:
            raise Conflict(f"{alias} has pointed at nothing but {history[0]}")
        self._write(alias, history[1:])
        return history[1]

    def _write(self, alias: str, history: list[str]) -> None:
        self._store.put(_key(alias), json.dumps(history).encode())


def _key(alias: str) -> str:
    return f"aliases/{check_alias(alias)}.json"
