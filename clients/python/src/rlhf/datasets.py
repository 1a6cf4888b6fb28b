"""Datasets in the catalog: demonstrations, comparisons, prompts, unpaired labels."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from rlhf.calls import Async, Fold, Once, Progress, Stream, Sync, Unary, Upload, method
from rlhf.errors import InvalidInputError, NotFoundError, Problem
from rlhf.transfers import FileSink, chunks, sha256, silent
from rlhf.v1 import catalog_pb2

RECORD_TYPES = {
    "demonstration": catalog_pb2.RECORD_TYPE_DEMONSTRATION,
    "comparison": catalog_pb2.RECORD_TYPE_COMPARISON,
    "prompt": catalog_pb2.RECORD_TYPE_PROMPT,
    "unpaired_label": catalog_pb2.RECORD_TYPE_UNPAIRED_LABEL,
}
_RECORD_TYPE_NAMES = {number: name for name, number in RECORD_TYPES.items()}


@dataclass(frozen=True)
class Dataset:
    """`num_bad` rows were left out."""

    name: str
    digest: str
    record_type: str
    num_records: int
    num_bad: int
    detected_format: str
    created_at: datetime

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}"


DatasetName = str | Dataset
"""A dataset, "name@digest", or "name" for its newest."""


def dataset_from(message: catalog_pb2.Dataset) -> Dataset:
    return Dataset(
        name=message.name,
        digest=message.digest,
        record_type=_RECORD_TYPE_NAMES.get(message.record_type, "unknown"),
        num_records=message.num_records,
        num_bad=message.num_bad,
        detected_format=message.detected_format,
        created_at=message.created_at.ToDatetime(UTC),
    )


def _read(response: Any) -> Dataset:
    return dataset_from(response.dataset)


def _list(name: str, timeout: float) -> Unary[list[Dataset]]:
    def read(response: catalog_pb2.ListDatasetsResponse) -> list[Dataset]:
        return [dataset_from(dataset) for dataset in response.datasets]

    return Unary("ListDatasets", catalog_pb2.ListDatasetsRequest(name=name), read, timeout)


class DatasetCalls:
    @method
    def upload(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        map: Mapping[str, str] | None = None,
        max_bad: int = 0,
        record_type: str | None = None,
        progress: Progress = silent,
        timeout: float = 3600.0,
    ) -> Upload[Dataset]:
        """Sends a .jsonl, .jsonl.gz, .json, .csv or .parquet file; its name without endings is the dataset's.

        `map` says which column holds a field where that cannot be detected, e.g. {"chosen": "answer_a"}. Up to
        `max_bad` bad rows are left out; one more and the whole file is refused. The same records twice are stored once.
        """
        path = existing(path, "path")
        header = _header(name or path.name.split(".")[0], path.name, map, max_bad, record_type)

        def requests() -> Iterator[catalog_pb2.UploadDatasetRequest]:
            header.sha256, done, total = sha256(path), 0, path.stat().st_size
            yield catalog_pb2.UploadDatasetRequest(header=header)
            for chunk in chunks(path):
                yield catalog_pb2.UploadDatasetRequest(chunk=chunk)
                done += len(chunk)
                progress(done, total)

        return Upload("UploadDataset", requests, _read, timeout, repeatable=True)

    @method
    def import_(
        self,
        source: str,
        *,
        name: str,
        map: Mapping[str, str] | None = None,
        max_bad: int = 0,
        record_type: str | None = None,
        timeout: float = 3600.0,
    ) -> Unary[Dataset]:
        """Lets the service fetch hf://owner/name[:split], s3://bucket/key, or a path that it can read."""
        header = _header(name, "", map, max_bad, record_type)
        request = catalog_pb2.ImportDatasetRequest(header=header, source=source)
        return Unary("ImportDataset", request, _read, timeout)

    @method
    def list(self, name: str = "", *, timeout: float = 30.0) -> Unary[list[Dataset]]:
        """All datasets, or all of one name."""
        return _list(name, timeout)

    @method
    def download(
        self,
        dataset: DatasetName,
        into: str | PathLike[str],
        *,
        progress: Progress = silent,
        timeout: float = 3600.0,
    ) -> Generator[Any, Any, Path]:
        """Writes the records as JSON lines to the file `into`, checked against the digest; a name means its newest."""
        known: list[Dataset] = yield _list(str(dataset).removeprefix("datasets/").partition("@")[0], timeout)
        wanted = _find(known, str(dataset))
        request = catalog_pb2.DownloadDatasetRequest(dataset=str(wanted))
        stream = Stream("DownloadDataset", Once(request, lambda response: response), timeout)
        return (yield Fold(stream, lambda: FileSink(Path(into), wanted.digest, progress)))


def _find(known: list[Dataset], reference: str) -> Dataset:
    """Picked here, so that the digest is known before the bytes come."""
    name, _, digest = reference.removeprefix("datasets/").partition("@")
    matching = [dataset for dataset in known if dataset.name == name and dataset.digest.startswith(digest)]
    if not matching:
        raise NotFoundError(
            f"no dataset {reference!r}; the catalog has {', '.join(map(str, known)) or 'none so named'}"
        )
    return max(matching, key=lambda dataset: dataset.created_at)


def _header(
    name: str, filename: str, map: Mapping[str, str] | None, max_bad: int, record_type: str | None
) -> catalog_pb2.DatasetHeader:
    if record_type is not None and record_type not in RECORD_TYPES:
        expected = f"expected one of {', '.join(RECORD_TYPES)}"
        raise InvalidInputError(Problem("record_type", f"got {record_type!r}, {expected}"))
    return catalog_pb2.DatasetHeader(
        name=name,
        filename=filename,
        field_map=map,
        max_bad=max_bad,
        record_type=RECORD_TYPES[record_type] if record_type else catalog_pb2.RECORD_TYPE_UNSPECIFIED,
    )


def existing(path: str | PathLike[str], field: str) -> Path:
    if not Path(path).exists():
        raise InvalidInputError(Problem(field, f"got {str(path)!r}, expected something that exists"))
    return Path(path)


class Datasets(DatasetCalls, Sync):
    """`client.datasets`"""


class AsyncDatasets(DatasetCalls, Async):
    """`client.datasets` of an AsyncClient."""
