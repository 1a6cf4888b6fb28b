"""What people bring and take away. Nothing is stored before it is complete, checked and readable. No gRPC here."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.data import read, write_canonical
from services.storage.datasets import DatasetInfo, DatasetStore
from services.storage.models import KIND, TRAINING, ModelStore, Version
from services.storage.names import check_name
from services.storage.object_store import ObjectStore
from services.storage.published import sha256_of
from services.storage.receiving import FileHeader, Part, incoming, receive, told_as, unpacked
from services.trainer.imports import Importer
from services.trainer.inspection import inspect
from services.trainer.references import architecture_of, read_config
from services.trainer.uploads import check_model_file, check_model_files

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Reading:
    """How a dataset is to be read."""

    name: str
    field_map: Mapping[str, str]
    record_type: str | None  # None: detected
    max_bad: int


@dataclass(frozen=True)
class Listed:
    version: Version
    architecture: str
    aliases: list[str]


class Catalog:
    def __init__(
        self,
        store: ObjectStore,
        models: ModelStore,
        datasets: DatasetStore,
        importer: Importer,
        work_dir: Path,
        max_dataset_bytes: int,
        max_model_bytes: int,
    ) -> None:
        self._store = store
        self._models = models
        self._datasets = datasets
        self._importer = importer
        self._work_dir = work_dir
        self._max_dataset_bytes = max_dataset_bytes
        self._max_model_bytes = max_model_bytes
        self._architectures: dict[Version, str] = {}

    async def upload_dataset(self, reading: Reading, parts: AsyncIterator[Part]) -> DatasetInfo:
        check_name("name", reading.name)
        with incoming(self._work_dir) as folder:
            paths = await receive(parts, folder, self._max_dataset_bytes)
            path = await asyncio.to_thread(unpacked, paths[0], self._max_dataset_bytes)
            return await asyncio.to_thread(self._store_dataset, reading, path, folder)

    async def import_dataset(self, reading: Reading, source: str) -> DatasetInfo:
        check_name("name", reading.name)
        with incoming(self._work_dir) as folder:
            path = await asyncio.to_thread(self._importer.dataset, source, folder, self._max_dataset_bytes)
            return await asyncio.to_thread(self._store_dataset, reading, path, folder)

    async def upload_model(self, name: str, parts: AsyncIterator[Part]) -> Listed:
        check_name("name", name)
        with incoming(self._work_dir) as folder:
            paths = await receive(_model_parts(parts), folder, self._max_model_bytes)
            check_model_files([path.name for path in paths])
            return await asyncio.to_thread(self._store_model, name, folder)

    async def import_model(self, name: str, source: str) -> Listed:
        check_name("name", name)
        with incoming(self._work_dir) as folder:
            await asyncio.to_thread(self._importer.model, source, folder, self._max_model_bytes)
            check_model_files([path.name for path in folder.iterdir()])
            return await asyncio.to_thread(self._store_model, name, folder, source)

    async def list_datasets(self, name: str) -> list[DatasetInfo]:
        return await asyncio.to_thread(self._datasets.list, name or None)

    async def list_models(self, name: str) -> list[Listed]:
        """Newest first; the weights of training steps only where they are asked for by name."""
        return await asyncio.to_thread(self._list_models, name)

    async def download_dataset(self, reference: str) -> AsyncIterator[bytes]:
        dataset = await asyncio.to_thread(self._datasets.resolve, reference)
        with incoming(self._work_dir) as folder:
            path = await asyncio.to_thread(self._datasets.fetch, dataset, folder)
            async for chunk in _chunks(path):
                yield chunk

    async def download_model(self, reference: str) -> AsyncIterator[Part]:
        version = await asyncio.to_thread(self._models.resolve, reference)
        folder = await asyncio.to_thread(self._models.fetch, version)
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            digest = await asyncio.to_thread(sha256_of, path)
            yield FileHeader(path.name, digest, path.stat().st_size)
            async for chunk in _chunks(path):
                yield chunk

    async def promote(self, reference: str, alias: str) -> Version:
        return await asyncio.to_thread(self._models.promote, reference, alias)

    async def rollback(self, alias: str) -> Version:
        return await asyncio.to_thread(self._models.rollback, alias)

    def _store_dataset(self, reading: Reading, source: str | Path, folder: Path) -> DatasetInfo:
        with told_as(f"{folder}/", ""):
            result = read(source, reading.field_map, reading.record_type, reading.max_bad)
        records = folder / ".canonical.jsonl"  # no upload has a name like it
        write_canonical(records, result.records)
        info = {
            "record_type": str(result.record_type),
            "num_records": len(result.records),
            "num_bad": len(result.bad),
            "detected_format": result.detected_format,
        }
        return self._datasets.put(reading.name, records, info)

    def _store_model(self, name: str, folder: Path, source: str = "upload") -> Listed:
        metadata = {**dataclasses.asdict(inspect(folder)), "source": source}
        return self._listed(self._models.publish(name, folder, attempt=0, step=0, metadata=metadata), [])

    def _list_models(self, name: str) -> list[Listed]:
        aliases: dict[str, list[str]] = {}
        for alias, version in self._models.aliases().items():
            aliases.setdefault(str(version), []).append(alias)
        names = [name] if name else self._models.names()
        versions = [version for known in names for version in self._models.versions(known)]
        if not name:
            versions = [version for version in versions if version.metadata.get(KIND) != TRAINING]
        versions.sort(key=lambda version: version.created_at, reverse=True)
        return [self._listed(version, aliases.get(str(version), [])) for version in versions]

    def _listed(self, version: Version, aliases: list[str]) -> Listed:
        if version not in self._architectures:
            self._architectures[version] = architecture_of(read_config(self._store, version))
        return Listed(version, self._architectures[version], sorted(aliases))


async def _model_parts(parts: AsyncIterator[Part]) -> AsyncIterator[Part]:
    """Refuses a file before its bytes come."""
    async for part in parts:
        if isinstance(part, FileHeader):
            check_model_file(part.path)
        yield part


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
