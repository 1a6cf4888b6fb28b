"""Models: immutable versions, and the aliases that serving reads."""

import time
import uuid
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.runtime.errors import DataLoss, NotFound
from services.storage.aliases import Aliases
from services.storage.fetch_cache import FetchCache
from services.storage.names import check_name
from services.storage.object_store import ObjectStore
from services.storage.published import Manifest, download, publish, read_manifest, unpublish

# Keys of a version's metadata.
DRAFT, KIND, TRAINING, RUN = "draft", "kind", "training", "run"
# A folder without a manifest, untouched for this long, belongs to a writer that died.
ABANDONED_SECONDS = 6 * 3600.0


@dataclass(frozen=True)
class Version:
    model: str
    version: str  # "<attempt>.<step>-<8 hex>", never used twice
    digest: str  # equal digests mean equal bytes
    created_at: float  # unix seconds
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    size_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"


class ModelStore:
    """Only the control plane calls `adopt`, `promote` and `rollback`; the worker prunes what it published for training.

    A draft is read by its id alone until it is adopted: whoever asks by name, or lists, does not meet it.
    """

    def __init__(self, store: ObjectStore, cache: Path, cache_bytes: int = 20 << 30) -> None:
        self._store, self._aliases = store, Aliases(store)
        self._cache = FetchCache(cache, cache_bytes)
        self._known: dict[str, dict[str, Version]] = {}  # what was read before: versions never change

    def publish(
        self,
        model: str,
        folder: Path,
        *,
        attempt: int,
        step: int,
        metadata: Mapping[str, Any] | None = None,
        draft: bool = False,
    ) -> Version:
        """Readers see the version once this returns, or never."""
        version = f"{attempt}.{step}-{uuid.uuid4().hex[:8]}"
        facts = {"attempt": attempt, "step": step, **(metadata or {}), **({DRAFT: True} if draft else {})}
        return _version(model, version, publish(self._store, _prefix(model, version), folder, facts))

    def adopt(self, model: str, version: str) -> None:
        """From now on the draft is one of the model's versions. Doing it again changes nothing."""
        key = f"{_adopted(model)}/{check_name('version', version)}/adopted.json"
        if not self._store.exists(key):
            self._store.put(key, b"{}")

    def resolve(self, reference: str) -> Version:
        """Of "name@version", "name" (the newest) or an alias as "policy/default"; the first two also with "models/"
        before them. Raises NotFound."""
        name, _, version = reference.removeprefix("models/").partition("@")
        if version:
            return self.version(name, version)
        if "/" in name:
            return self.resolve(self._aliases.get(name)[0])
        if versions := self.versions(name):
            return versions[0]
        raise NotFound("model", name, self.names())

    def version(self, name: str, version: str) -> Version:
        found = self._read(check_name("model", name), check_name("version", version))
        if found is None:
            raise NotFound("model version", f"{name}@{version}", [str(v) for v in self.versions(name)])
        return found

    def versions(self, name: str) -> list[Version]:
        """Newest first, without drafts; empty for a model that does not exist."""
        found = self._all(name)
        drafts = self._drafts(name, found)
        return sorted((v for v in found if v not in drafts), key=_age, reverse=True)

    def names(self) -> list[str]:
        return list(self._store.children("models"))

    def fetch(self, version: Version) -> Path:
        """A local folder with the version's files, verified and cached. Read-only, and meant to be loaded now: once a
        minute has passed, the cache may need the room. Raises NotFound for a version that was pruned meanwhile."""
        prefix = _prefix(version.model, version.version)
        manifest = read_manifest(self._store, prefix)
        if manifest is None:
            raise NotFound("model version", str(version))
        if manifest.digest != version.digest:
            raise DataLoss(f"{version} was {version.digest} and is {manifest.digest} now")
        return self._cache.get(manifest, lambda into: download(self._store, prefix, manifest, into))

    def aliases(self) -> dict[str, Version]:
        return {alias: self.resolve(history[0]) for alias, history in self._aliases.all().items()}

    def promote(self, reference: str, alias: str) -> Version:
        version = self.resolve(reference)
        self._aliases.point(alias, str(version))
        return version

    def rollback(self, alias: str) -> Version:
        return self.resolve(self._aliases.rollback(alias))

    def prune(self, model: str, keep: Set[str], newest: int, grace_seconds: float) -> list[str]:
        """Deletes versions and returns their ids.

        What stays: the ids in `keep`, the `newest` ones, those younger than the grace period (somebody may be fetching
        them), and whatever an alias points at or could be rolled back to.
        """
        aliased = {reference for history in self._aliases.all().values() for reference in history}
        too_young = time.time() - grace_seconds
        old = [v for v in self.versions(model)[newest:] if v.created_at <= too_young]
        doomed = [v.version for v in old if v.version not in keep and str(v) not in aliased]
        for version in doomed + self._abandoned(model):
            unpublish(self._store, _prefix(model, version))
            self._known[model].pop(version, None)
        return doomed

    def discard_drafts(self, model: str, run_id: str) -> list[str]:
        """Deletes what the run published and nobody adopted, once it has ended; returns the ids."""
        doomed = [v.version for v in self._drafts(model, self._all(model)) if v.metadata.get(RUN) == run_id]
        for version in doomed:
            unpublish(self._store, _prefix(model, version))
            self._known[model].pop(version, None)
        return doomed

    def _all(self, name: str) -> list[Version]:
        """With drafts; in no order."""
        ids = self._store.children(f"models/{check_name('model', name)}/versions")
        found = [v for version in ids if (v := self._read(name, version))]
        self._known[name] = {v.version: v for v in found}
        return found

    def _drafts(self, name: str, versions: list[Version]) -> list[Version]:
        """Those of the versions that nobody has adopted."""
        drafts = [v for v in versions if v.metadata.get(DRAFT)]
        adopted = set(self._store.children(_adopted(name))) if drafts else set()
        return [v for v in drafts if v.version not in adopted]

    def _abandoned(self, model: str) -> list[str]:
        """Ids whose writer died before the manifest."""
        ids = set(self._store.children(f"models/{model}/versions")) - self._known[model].keys()
        return [version for version in ids if self._untouched_for(_prefix(model, version)) > ABANDONED_SECONDS]

    def _untouched_for(self, prefix: str) -> float:
        return time.time() - max((info.modified for info in self._store.list(prefix)), default=0.0)

    def _read(self, name: str, version: str) -> Version | None:
        if known := self._known.get(name, {}).get(version):
            return known
        manifest = read_manifest(self._store, _prefix(name, version))
        return None if manifest is None else _version(name, version, manifest)


def _prefix(model: str, version: str) -> str:
    return f"models/{check_name('model', model)}/versions/{check_name('version', version)}"


def _adopted(model: str) -> str:
    return f"models/{check_name('model', model)}/adopted"


def _age(version: Version) -> tuple[float, ...]:
    """What an attempt was about to publish when it was overtaken is older than its successor's, whenever it comes."""
    facts = version.metadata
    turn = (facts["attempt"], facts["step"]) if facts.get(KIND) == TRAINING else (0, 0)
    return (*turn, version.created_at)


def _version(model: str, version: str, manifest: Manifest) -> Version:
    return Version(model, version, manifest.digest, manifest.created_at, manifest.metadata, manifest.size_bytes)
