"""Datasets: canonical JSONL records under the sha256 of their bytes."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.runtime.errors import DataLoss, NotFound
from services.storage.names import check_name
from services.storage.object_store import ObjectNotFound, ObjectStore
from services.storage.published import sha256_of

INFO, RECORDS = "info.json", "records.jsonl"


@dataclass(frozen=True)
class DatasetInfo:
    name: str
    digest: str  # sha256 of the records
    record_type: str
    num_records: int
    num_bad: int  # rows left out when it was read
    detected_format: str
    created_at: float  # unix seconds

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}"


class DatasetStore:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def put(self, name: str, records: Path, info: Mapping[str, Any]) -> DatasetInfo:
        """`info` holds record_type, num_records, num_bad and detected_format.

        The same bytes again are the same dataset, and then the newest of its name.
        """
        digest = sha256_of(records)
        dataset = DatasetInfo(name=check_name("dataset", name), digest=digest, created_at=time.time(), **info)
        self._store.put_file(_key(name, digest, RECORDS), records)
        self._store.put(_key(name, digest, INFO), json.dumps(asdict(dataset), indent=1).encode())
        return dataset

    def resolve(self, reference: str) -> DatasetInfo:
        """Of "name@digest", "datasets/name@digest" or "name", which means the newest. Raises NotFound."""
        name, _, digest = reference.removeprefix("datasets/").partition("@")
        known = self.list(check_name("dataset", name))
        matching = [d for d in known if digest in ("", d.digest)]
        if not matching:
            raise NotFound("dataset", reference, [str(d) for d in known or self.list()])
        return matching[0]

    def list(self, name: str | None = None) -> list[DatasetInfo]:
        """Newest first."""
        names = self._store.children("datasets") if name is None else [check_name("dataset", name)]
        keys = [_key(n, digest, INFO) for n in names for digest in self._store.children(f"datasets/{n}")]
        found = [info for key in keys if (info := self._read(key))]
        return sorted(found, key=lambda d: d.created_at, reverse=True)

    def fetch(self, dataset: DatasetInfo, into: Path) -> Path:
        """The JSONL file, below the folder `into`. Raises DataLoss where its bytes have changed."""
        target = into / f"{dataset.name}-{dataset.digest[:16]}.jsonl"
        into.mkdir(parents=True, exist_ok=True)
        temporary = into / f".{uuid.uuid4().hex}.tmp"
        self._store.get_file(_key(dataset.name, dataset.digest, RECORDS), temporary)
        if sha256_of(temporary) != dataset.digest:
            temporary.unlink()
            raise DataLoss(f"the records of {dataset} do not hold the bytes that were put")
        return temporary.replace(target)

    def _read(self, key: str) -> DatasetInfo | None:
        try:
            return DatasetInfo(**json.loads(self._store.get(key)))
        except ObjectNotFound:
            return None  # still being written, or just deleted


def _key(name: str, digest: str, file: str) -> str:
    return f"datasets/{name}/{digest}/{file}"
