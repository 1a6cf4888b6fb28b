"""What a campaign gives away: a dataset of the catalog, or a file."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet

from services.data import Demonstration, Record, RecordType, write_canonical
from services.feedback import answers, formats, metrics
from services.feedback.campaign import Campaign
from services.feedback.comparisons import Aggregation, compared
from services.feedback.formats import PreferenceFormat, Row, Table
from services.feedback.snapshot import Snapshot, snapshot
from services.runtime.errors import Conflict, InvalidInput, Problem
from services.storage.datasets import DatasetInfo, DatasetStore
from services.storage.names import check_name

CHUNK_BYTES = 1 << 20
ROWS_AT_ONCE = 1000  # of a Parquet row group


class ExportKind(StrEnum):
    COMPARISONS = "comparisons"
    DEMONSTRATIONS = "demonstrations"
    JUDGEMENTS = "judgements"


class FileFormat(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Plan:
    kind: ExportKind
    aggregation: Aggregation = Aggregation.RELIABILITY
    preference_format: PreferenceFormat = PreferenceFormat.TRL
    file_format: FileFormat = FileFormat.JSONL


@dataclass(frozen=True)
class ExportFile:
    path: Path
    rows: int
    sha256: str

    async def chunks(self) -> AsyncIterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk


class Exporter:
    """One export at a time: each may take as much memory as its campaign."""

    def __init__(self, datasets: DatasetStore, work_dir: Path) -> None:
        self._datasets, self._work_dir = datasets, work_dir
        self._busy = asyncio.Lock()

    async def to_dataset(self, campaign: Campaign, plan: Plan, name: str) -> tuple[DatasetInfo, int]:
        """With how many pairs that have judgements gave no comparison. The same judgements are the same dataset."""
        check_name("name", name)
        async with self._busy:
            with self._folder() as folder, _timed(plan):
                return await asyncio.to_thread(
                    self._put, snapshot(campaign), plan, name, Path(folder) / "records.jsonl"
                )

    @asynccontextmanager
    async def to_file(self, campaign: Campaign, plan: Plan) -> AsyncIterator[ExportFile]:
        """For as long as the block runs."""
        with self._folder() as folder:
            async with self._busy:
                with _timed(plan):
                    file = await asyncio.to_thread(
                        _write, _table(snapshot(campaign), plan), plan.file_format, Path(folder)
                    )
            yield file

    def _folder(self) -> TemporaryDirectory:
        self._work_dir.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix="export-", dir=self._work_dir)

    def _put(self, taken: Snapshot, plan: Plan, name: str, path: Path) -> tuple[DatasetInfo, int]:
        records, left_out, kind, what = _records(taken, plan)
        if not records:
            raise Conflict(f"campaign {taken.spec.name} has no {plan.kind} to export yet")
        write_canonical(path, records)
        info = {"record_type": str(kind), "num_records": len(records), "num_bad": 0}
        return self._datasets.put(name, path, {**info, "detected_format": f"{what} of {taken.spec.name}"}), left_out


def _timed(plan: Plan) -> AbstractContextManager[object]:
    return metrics.export_seconds.labels(str(plan.kind)).time()


def _records(taken: Snapshot, plan: Plan) -> tuple[list[Record], int, RecordType, str]:
    if plan.kind is ExportKind.JUDGEMENTS:
        raise InvalidInput(Problem("kind", str(plan.kind), "comparisons or demonstrations; judgements are a file"))
    if plan.kind is ExportKind.DEMONSTRATIONS:
        written = [(taken.items[j.item].prompt, j.answer) for j in taken.answers()]
        texts = [Demonstration(p, answer.text) for p, answer in written if isinstance(answer, answers.Demonstration)]
        return list(texts), 0, RecordType.DEMONSTRATION, "demonstrations"
    found, left_out = compared(taken, plan.aggregation)
    return [one.record for one in found], left_out, RecordType.COMPARISON, f"{plan.aggregation} comparisons"


def _table(taken: Snapshot, plan: Plan) -> Table:
    if plan.kind is ExportKind.JUDGEMENTS:
        return formats.judgements(taken)
    if plan.kind is ExportKind.DEMONSTRATIONS:
        return formats.demonstrations(taken)
    return formats.comparisons(plan.preference_format, compared(taken, plan.aggregation)[0], taken)


def _write(table: Table, kind: FileFormat, folder: Path) -> ExportFile:
    path = folder / f"export.{kind}"
    rows = _write_parquet(table, path) if kind is FileFormat.PARQUET else _write_jsonl(table, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ExportFile(path, rows, digest)


def _write_jsonl(table: Table, path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in table.rows:
            given = {name: value for name, value in row.items() if value is not None}
            file.write(json.dumps(given, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def _write_parquet(table: Table, path: Path) -> int:
    count = 0
    with pyarrow.parquet.ParquetWriter(path, table.columns) as writer:
        for part in _parts(table.rows):
            writer.write_table(pa.Table.from_pylist(part, schema=table.columns))
            count += len(part)
    return count


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while part := list(islice(rows, ROWS_AT_ONCE)):
        yield part
