"""What leaves a campaign can be trained on, opened by the tools people have, and read back."""

import hashlib
import json
from pathlib import Path

import grpc
import pyarrow.parquet
import pytest
from rlhf.v1 import catalog_pb2
from rlhf.v1 import feedback_pb2 as pb

from services.data import Comparison, read, read_canonical
from services.storage.datasets import DatasetStore
from services.storage.location import open_store
from tests.unit.feedback.desk import Desk, desk, pair, pairs, prefer

RATERS = ("anna", "ben", "cleo")
FULL = {"overlap": 3, "overlap_share": 1.0, "gold_share": 0.0, "repeat_share": 0.0}
FORMATS = {
    pb.PREFERENCE_FORMAT_TRL: "OpenRLHF margin",  # prompt, chosen, rejected, and the margin of strengths
    pb.PREFERENCE_FORMAT_OPENAI: "OpenAI preference",
    pb.PREFERENCE_FORMAT_HELPSTEER3: "HelpSteer3 preference",
    pb.PREFERENCE_FORMAT_LABEL_STUDIO: "Label Studio pairwise",
}


async def judged(service: Desk, count: int = 6, **spec) -> None:
    """Anna and Ben prefer what is good; Cleo what is bad, and nothing in the last item."""
    await service.create(items=pairs(count), **{**FULL, **spec})
    for rater in RATERS:
        await service.work(rater, lambda a, r=rater: answer(a, r, count, bool(spec.get("strength"))))


def answer(assignment: pb.Assignment, rater: str, count: int, strong: bool) -> pb.Preference:
    if assignment.responses[0].endswith(f" {count - 1}"):
        return pb.Preference(choice=pb.CHOICE_BOTH_BAD if rater == "cleo" else pb.CHOICE_TIE)
    found = prefer("bad" if rater == "cleo" else "good")(assignment)
    found.strength = 0 if not strong else 1 if rater == "cleo" else 3
    return found


def stored(folder: Path, dataset: catalog_pb2.Dataset) -> list:
    datasets = DatasetStore(open_store(str(folder / "store")))
    return read_canonical(datasets.fetch(datasets.resolve(f"{dataset.name}@{dataset.digest}"), folder / "fetched"))


@pytest.mark.parametrize(
    ("aggregation", "chosen_good", "rows", "left_out"),
    [(pb.AGGREGATION_RELIABILITY, 5, 5, 1), (pb.AGGREGATION_MAJORITY, 5, 5, 1), (pb.AGGREGATION_VOTES, 10, 15, 1)],
)
async def test_a_dataset_of_comparisons(
    tmp_path: Path, aggregation, chosen_good: int, rows: int, left_out: int
) -> None:
    async with desk(tmp_path) as service:
        await judged(service)
        request = pb.ExportDatasetRequest(campaign="tone", name="prefs", aggregation=aggregation)
        answers = [await service.stub.ExportDataset(request) for _ in range(2)]
    records = stored(tmp_path, answers[0].dataset)
    assert answers[0].dataset.digest == answers[1].dataset.digest
    assert answers[0].dataset.record_type == catalog_pb2.RECORD_TYPE_COMPARISON
    assert (len(records), answers[0].dataset.num_records, answers[0].left_out) == (rows, rows, left_out)
    assert sum(record.chosen.startswith("good") for record in records) == chosen_good
    weighted = aggregation == pb.AGGREGATION_RELIABILITY
    assert all(isinstance(r, Comparison) and (r.weight is not None) == weighted for r in records)
    assert all(0 < record.weight <= 1 for record in records if record.weight is not None)


async def test_strength_becomes_a_margin(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await judged(service, strength=True)
        request = pb.ExportDatasetRequest(campaign="tone", aggregation=pb.AGGREGATION_MAJORITY)
        dataset = (await service.stub.ExportDataset(request)).dataset
    assert dataset.name == "tone"
    assert [record.margin for record in stored(tmp_path, dataset)] == [pytest.approx((3 + 3 - 1) / 3, abs=1e-5)] * 5


@pytest.mark.parametrize("file_format", [pb.FILE_FORMAT_JSONL, pb.FILE_FORMAT_PARQUET])
@pytest.mark.parametrize("preference_format", FORMATS)
async def test_every_format_is_read_back_as_what_it_is(tmp_path: Path, preference_format, file_format) -> None:
    async with desk(tmp_path) as service:
        await judged(service, strength=True)
        data = await service.download(
            aggregation=pb.AGGREGATION_VOTES, preference_format=preference_format, file_format=file_format
        )
    path = tmp_path / ("file.parquet" if file_format == pb.FILE_FORMAT_PARQUET else "file.jsonl")
    path.write_bytes(data)
    result = read(path)
    assert result.detected_format == FORMATS[preference_format]
    assert len(result.records) == 15
    assert sum(r.chosen.startswith("good") for r in result.records if isinstance(r, Comparison)) == 10


async def test_the_raw_judgements_hold_everything(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        items = [pair(1, sources=["sft@1", "ppo@2"], domain="cooking", propensity=0.25)]
        await service.create(items=items, overlap_share=0.0, strength=True)
        assignment = (await service.next("anna")).assignment
        await service.submit("anna", assignment.id, skip=pb.Skip(reason="unsure"))
        await service.undo("anna")
        preference = pb.Preference(choice=pb.CHOICE_FIRST, strength=2)
        made = await service.submit("anna", assignment.id, preference=preference, note="close", milliseconds=4200)
        rows = [json.loads(line) for line in (await service.download(kind=pb.EXPORT_KIND_JUDGEMENTS)).splitlines()]
        parquet = await service.download(kind=pb.EXPORT_KIND_JUDGEMENTS, file_format=pb.FILE_FORMAT_PARQUET)
    assert [(row["kind"], row["undone"]) for row in rows] == [("skip", True), ("undo", False), ("preference", False)]
    last = rows[-1]
    assert last["id"] == made.judgement
    assert last["responses"][last["preferred"]] == assignment.responses[0]
    facts = ("rater", "domain", "choice", "strength", "note", "milliseconds", "propensity", "sources", "order")
    order = [0, 1] if assignment.responses[0] == "good 1" else [1, 0]
    assert [last[name] for name in facts] == [
        "anna", "cooking", "first", 2, "close", 4200, 0.25, ["sft@1", "ppo@2"], order,
    ]  # fmt: skip
    (tmp_path / "raw.parquet").write_bytes(parquet)
    table = pyarrow.parquet.read_table(tmp_path / "raw.parquet").to_pylist()
    assert [{k: v for k, v in row.items() if v is not None} for row in table] == rows


async def test_the_file_comes_with_its_digest(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await judged(service)
        parts = [part async for part in service.stub.DownloadExport(pb.DownloadExportRequest(campaign="tone"))]
    data = b"".join(part.chunk for part in parts)
    assert parts[-1].summary.rows == len(data.splitlines()) == 5
    assert parts[-1].summary.sha256 == hashlib.sha256(data).hexdigest()
    assert not list((tmp_path / "work").iterdir()), "nothing is left in the work folder"


async def test_demonstrations_are_exported_for_sft(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        spec = {"kind": pb.CAMPAIGN_KIND_DEMONSTRATION, "overlap_share": 0.0}
        items = [pb.Item(prompt=pair(1).prompt), pb.Item(prompt=pair(2).prompt, responses=["a draft"])]
        await service.create(items=items, **spec)
        drafts = []
        while (found := await service.next("anna")).HasField("assignment"):
            drafts += list(found.assignment.responses)
            await service.submit("anna", found.assignment.id, demonstration=pb.Demonstration(text="ideal"))
        dataset = (await service.stub.ExportDataset(pb.ExportDatasetRequest(campaign="tone"))).dataset
        (tmp_path / "file.jsonl").write_bytes(await service.download())
        with pytest.raises(grpc.aio.AioRpcError, match="what a demonstration campaign collects"):
            await service.download(kind=pb.EXPORT_KIND_COMPARISONS)
    assert drafts == ["a draft"]
    assert dataset.record_type == catalog_pb2.RECORD_TYPE_DEMONSTRATION
    assert [record.response for record in stored(tmp_path, dataset)] == ["ideal", "ideal"]
    assert len(read(tmp_path / "file.jsonl").records) == 2


async def test_gold_and_repeats_are_not_exported(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        items = [*pairs(30), *(pair(100 + n, gold=0) for n in range(10))]
        await service.create(items=items, overlap_share=0.0, gold_share=0.25, repeat_share=0.25)
        await service.work("anna", prefer("good"))
        made = await service.judgements()
        rows = (await service.download(aggregation=pb.AGGREGATION_VOTES)).splitlines()
    assert len(made) > 35
    assert len(rows) == 30


async def test_nothing_to_export_is_said(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(1))
        with pytest.raises(grpc.aio.AioRpcError, match="no comparisons to export yet") as raised:
            await service.stub.ExportDataset(pb.ExportDatasetRequest(campaign="tone"))
        for bad in ({"kind": pb.EXPORT_KIND_JUDGEMENTS}, {"name": "../x"}, {"aggregation": 9}):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await service.stub.ExportDataset(pb.ExportDatasetRequest(campaign="tone", **bad))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
