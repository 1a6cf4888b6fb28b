"""What feedback keeps in object storage, and nothing else: it is rebuilt from these objects at every start.

feedback/raters/<rater>.json
feedback/campaigns/<name>/campaign.json          the spec, once accepted
                         /guidelines/<version>.json
                         /batches/<number>.json    items that were added together, with imported judgements
                         /judgements/<id>.json   one each; never changed
                         /responses/<part>.json  generated so far, while the campaign is prepared
                         /end.json               closed, or why it failed
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from services.feedback.items import Item, item_from_json, item_to_json
from services.feedback.judgements import Judgement, judgement_from_json
from services.feedback.recipe import CampaignSpec, spec_from_json, spec_to_json
from services.storage.object_store import ObjectNotFound, ObjectStore

READS_AT_ONCE = 16


@dataclass(frozen=True)
class CampaignRecord:
    spec: CampaignSpec
    created_at: float  # unix seconds
    key: str = field(repr=False)  # secret: ids of assignments and the order of responses follow from it
    request_digest: str  # of the spec as it was asked for


@dataclass(frozen=True)
class Batch:
    """`request` names who added it: asked again, there is nothing to add."""

    number: int
    request: str
    items: Sequence[Item]
    judgements: Sequence[Judgement] = ()


@dataclass(frozen=True)
class End:
    at: float  # unix seconds
    failure: str = ""  # empty: closed


class Archive:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def names(self) -> list[str]:
        """Of campaigns that were accepted."""
        names = self._store.children("feedback/campaigns")
        return [name for name in names if self._store.exists(_key(name, "campaign"))]

    def write_record(self, record: CampaignRecord) -> None:
        self._write(
            _key(record.spec.name, "campaign"),
            {
                "spec": spec_to_json(record.spec),
                "created_at": record.created_at,
                "key": record.key,
                "request_digest": record.request_digest,
            },
        )

    def read_record(self, name: str) -> CampaignRecord:
        values = self._read(_key(name, "campaign"))
        return CampaignRecord(spec_from_json(values.pop("spec")), **values)

    def write_guidelines(self, name: str, version: int, text: str) -> None:
        self._write(_key(name, f"guidelines/{version:06d}"), {"text": text})

    def read_guidelines(self, name: str) -> list[str]:
        """Version 1 first."""
        return [values["text"] for values in self._read_all(name, "guidelines")]

    def write_batch(self, name: str, batch: Batch) -> None:
        values = {
            "number": batch.number,
            "request": batch.request,
            "items": [item_to_json(item) for item in batch.items],
            "judgements": [judgement.to_json() for judgement in batch.judgements],
        }
        self._write(_key(name, f"batches/{batch.number:06d}"), values)

    def read_batches(self, name: str) -> Iterator[Batch]:
        """In the order in which they were added."""
        for values in self._read_all(name, "batches"):
            items = [item_from_json(item) for item in values["items"]]
            judgements = [judgement_from_json(judgement) for judgement in values["judgements"]]
            yield Batch(values["number"], values["request"], items, judgements)

    def write_judgement(self, name: str, judgement: Judgement) -> None:
        self._write(_key(name, f"judgements/{judgement.id}"), judgement.to_json())

    def read_judgements(self, name: str) -> Iterator[Judgement]:
        """In the order in which they were made."""
        found = map(judgement_from_json, self._read_all(name, "judgements"))
        yield from sorted(found, key=lambda judgement: (judgement.at, judgement.number))

    def write_end(self, name: str, end: End) -> None:
        self._write(_key(name, "end"), {"at": end.at, "failure": end.failure})

    def read_end(self, name: str) -> End | None:
        values = self._find(_key(name, "end"))
        return End(**values) if values else None

    def write_responses(self, name: str, part: int, rows: list[list[str]]) -> None:
        self._write(_key(name, f"responses/{part:06d}"), rows)

    def read_responses(self, name: str, part: int) -> list[list[str]] | None:
        return self._find(_key(name, f"responses/{part:06d}"))

    def write_rater(self, name: str, skills: Sequence[str]) -> None:
        self._write(f"feedback/raters/{name}.json", {"name": name, "skills": list(skills)})

    def read_raters(self) -> dict[str, tuple[str, ...]]:
        """Their skills."""
        keys = [info.key for info in self._store.list("feedback/raters")]
        return {values["name"]: tuple(values["skills"]) for values in self._read_each(keys)}

    def _write(self, key: str, values: Any) -> None:
        self._store.put(key, json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())

    def _read(self, key: str) -> Any:
        return json.loads(self._store.get(key))

    def _find(self, key: str) -> Any:
        try:
            return self._read(key)
        except ObjectNotFound:
            return None

    def _read_all(self, name: str, folder: str) -> Iterator[Any]:
        """Sorted by key."""
        prefix = f"feedback/campaigns/{name}/{folder}"
        return self._read_each(info.key for info in self._store.list(prefix))

    def _read_each(self, keys: Iterable[str]) -> Iterator[Any]:
        """Several at once: with S3 a single read is mostly waiting."""
        keys = iter(keys)
        with ThreadPoolExecutor(READS_AT_ONCE) as threads:
            while part := list(islice(keys, 64 * READS_AT_ONCE)):
                yield from threads.map(self._read, part)


def _key(name: str, rest: str) -> str:
    return f"feedback/campaigns/{name}/{rest}.json"
