"""Pairs, gold pairs and judgements come in as files, in the formats that people have."""

import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pyarrow.parquet
import pytest
from rlhf.v1 import feedback_pb2 as pb

from tests.unit.feedback.desk import Desk, desk, pairs, prefer
from tests.unit.serving.live import violations

PAIRS = [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(6)]
HELPSTEER3 = [
    {
        "domain": "code",
        "context": [{"role": "user", "content": f"q{n}"}],
        "response1": f"good {n}",
        "response2": f"bad {n}",
        "overall_preference": -2,
        "individual_preference": [{"score": -3}, {"score": -1}, {"score": 0}],
    }
    for n in range(4)
]
LABEL_STUDIO = [
    {
        "id": n,
        "data": {"prompt": f"q{n}", "answer1": f"good {n}", "answer2": f"bad {n}"},
        "annotations": [
            {"completed_by": {"email": "anna@example.org"}, "lead_time": 3.5, "result": [pairwise]},
            {"completed_by": 7, "result": []},
            {"completed_by": 8, "was_cancelled": True, "result": []},
        ],
    }
    for n, pairwise in enumerate(
        {"type": "pairwise", "to_name": "answer1,answer2", "value": {"selected": side}} for side in ("left", "right")
    )
]


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


async def send(service: Desk, data: bytes, chunk_size: int = 1 << 20, **header: Any) -> pb.ImportFileResponse:
    fields = {"campaign": "tone", "filename": "file.jsonl", "sha256": hashlib.sha256(data).hexdigest(), **header}

    async def requests():
        yield pb.ImportFileRequest(header=pb.ImportHeader(**fields))
        for start in range(0, len(data), chunk_size):
            yield pb.ImportFileRequest(chunk=data[start : start + chunk_size])

    return await service.stub.ImportFile(requests())


async def test_pairs_become_items_and_their_label_is_forgotten(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(overlap_share=0.0)
        answer = await send(service, lines(PAIRS), chunk_size=17)
        again = await send(service, lines(PAIRS))
        await service.work("anna", lambda _: pb.Preference(choice=pb.CHOICE_FIRST))
        rows = [json.loads(line) for line in (await service.download(kind=pb.EXPORT_KIND_JUDGEMENTS)).splitlines()]
    assert (answer.items, answer.judgements, answer.detected_format) == (6, 0, "prompt-chosen-rejected (strings)")
    assert (again.items, again.campaign.progress.items) == (0, 6)
    assert {row["responses"][0].split()[0] for row in rows} == {"good", "bad"}, "the place tells nothing"


async def test_gold_is_what_the_file_prefers(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(40), overlap_share=0.0, gold_share=0.4, repeat_share=0.0)
        answer = await send(service, lines(PAIRS), kind=pb.IMPORT_KIND_GOLD)
        await service.work("anna", prefer("good"))
        await service.stub.SetGuidelines(pb.SetGuidelinesRequest(campaign="tone", guidelines="new"))
        found = (await service.statistics()).raters[0]
    assert answer.campaign.progress.gold_items == 6
    assert (found.gold_accuracy.value, found.gold_accuracy.count) == (1, 6)


async def test_gold_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "responses": pair, "gold": 0, "kind": "skip"} for pair in (["a", "b"], ["b", "a"])]
    same = [rows[0], {**rows[1], "gold": 1}]
    async with desk(tmp_path) as service:
        await service.create()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await send(service, lines(rows), kind=pb.IMPORT_KIND_GOLD)
        answer = await send(service, lines(same), kind=pb.IMPORT_KIND_GOLD)
    assert "item 1: got contradictory labels" in str(caught.value.details())
    assert answer.campaign.progress.gold_items == 1


async def test_judgements_of_helpsteer3_come_with_their_raters(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create()
        answer = await send(service, lines(HELPSTEER3), kind=pb.IMPORT_KIND_JUDGEMENTS)
        statistics = await service.statistics()
        rows = (await service.download(aggregation=pb.AGGREGATION_MAJORITY)).decode().splitlines()
        raw = [json.loads(line) for line in (await service.download(kind=pb.EXPORT_KIND_JUDGEMENTS)).splitlines()]
    assert (answer.items, answer.judgements, answer.detected_format) == (4, 12, "HelpSteer3 preference")
    assert [rater.rater for rater in statistics.raters] == ["imported-1", "imported-2", "imported-3"]
    assert statistics.domains[0].domain == "code"
    assert sorted(row["strength"] for row in raw) == [0] * 4 + [1] * 4 + [3] * 4
    assert all(json.loads(row)["chosen"][0]["content"].startswith("good") for row in rows)


async def test_judgements_of_label_studio_come_with_ties_and_skips(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create()
        data = json.dumps(LABEL_STUDIO).encode()
        answer = await send(service, data, kind=pb.IMPORT_KIND_JUDGEMENTS, filename="export.json")
        raw = [json.loads(line) for line in (await service.download(kind=pb.EXPORT_KIND_JUDGEMENTS)).splitlines()]
    assert (answer.items, answer.judgements) == (2, 6)
    chosen = [row["responses"][row["preferred"]] for row in raw if row["rater"] == "anna@example.org"]
    assert chosen == ["good 0", "bad 1"]
    assert {row["rater"]: row.get("choice", row["kind"]) for row in raw if row["rater"] in "78"} == {
        "7": "tie",
        "8": "skip",
    }
    assert raw[0]["milliseconds"] == 3500


async def test_unlabelled_tasks_of_label_studio_are_items(tmp_path: Path) -> None:
    tasks = [{"data": task["data"], "annotations": []} for task in LABEL_STUDIO]
    async with desk(tmp_path) as service:
        await service.create()
        answer = await send(service, lines(tasks))
    assert (answer.items, answer.judgements) == (2, 0)


@pytest.mark.parametrize("preference_format", [1, 2, 3, 4])
async def test_exported_votes_are_imported_with_the_same_outcome(tmp_path: Path, preference_format: int) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(8), overlap=2, overlap_share=1.0, repeat_share=0.0)
        for rater in ("anna", "ben"):
            await service.work(rater, prefer("good"))
        data = await service.download(aggregation=pb.AGGREGATION_VOTES, preference_format=preference_format)
        await service.create("copy")
        answer = await send(service, data, campaign="copy", kind=pb.IMPORT_KIND_JUDGEMENTS)
        rows = (await service.download("copy", aggregation=pb.AGGREGATION_MAJORITY)).decode().splitlines()
    assert answer.items == 8
    assert {json.loads(row)["chosen"][0]["content"].split()[0] for row in rows} == {"good"}
    assert len(rows) == 8


async def test_raw_judgements_are_imported_with_raters_notes_and_all(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        items = pairs(12, domain="cooking", sources=["a", "b"], propensity=0.5)
        await service.create(items=items, overlap=2, overlap_share=1.0, repeat_share=0.0)
        for rater in ("anna", "ben"):
            await service.work(rater, prefer("good" if rater == "anna" else "1"))
        data = await service.download(kind=pb.EXPORT_KIND_JUDGEMENTS)
        before = await service.statistics()
        await service.create("copy")
        answer = await send(service, data, campaign="copy", kind=pb.IMPORT_KIND_JUDGEMENTS)
    async with desk(tmp_path) as service:
        after = await service.statistics("copy")
    assert (answer.items, answer.judgements, answer.detected_format) == (12, 24, "feedback rows")
    assert after.agreement.agreement == before.agreement.agreement
    assert after.domains[0].judgements == before.domains[0].judgements == 24
    assert after.sources == before.sources
    assert [(r.rater, r.judgements, r.first_preferred.count) for r in after.raters] == [
        (r.rater, r.judgements, r.first_preferred.count) for r in before.raters
    ]


@pytest.mark.parametrize(
    ("data", "header", "field"),
    [
        (lines(PAIRS), {"sha256": "0" * 64}, "file.jsonl.sha256"),
        (lines(PAIRS), {"sha256": "../x"}, "sha256"),
        (lines(PAIRS), {"filename": "../../etc/passwd"}, "filename"),
        (lines(PAIRS), {"filename": "x" * 300 + ".exe"}, "filename"),
        (lines(PAIRS), {"kind": 9}, "kind"),
        (b"{broken\n" + lines(HELPSTEER3), {}, "max_bad"),
        (lines([{**HELPSTEER3[0], "overall_preference": 9, "individual_preference": None}]), {}, "max_bad"),
        (lines([{"prompt": "q", "responses": ["a", "b"], "choice": "first", "rater": "a/../b"}]), {}, "max_bad"),
        (lines([{"prompt": "q", "responses": ["a", "b"]}]), {"kind": pb.IMPORT_KIND_GOLD}, "item 1"),
        (lines([{"prompt": "q", "responses": ["a"]}]), {}, "items[0].responses"),
    ],
)
async def test_bad_files_name_what_is_wrong_and_leave_nothing(tmp_path: Path, data: bytes, header, field: str) -> None:
    async with desk(tmp_path) as service:
        await service.create()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await send(service, data, **header)
        campaign = (await service.stub.GetCampaign(pb.GetCampaignRequest(campaign="tone"))).campaign
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert next(iter(violations(raised.value))) == field
    assert campaign.progress.items == 0
    assert list((tmp_path / "work").glob("*")) == []


async def test_bad_rows_are_left_out_as_far_as_allowed(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create()
        answer = await send(service, b"{broken\n" + lines(HELPSTEER3), max_bad=1)
    assert (answer.items, answer.bad) == (4, 1)


async def test_a_file_is_bounded(tmp_path: Path) -> None:
    async with desk(tmp_path, max_import_mib=1) as service:
        await service.create()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await send(service, b"x" * (1 << 20) + b"y")
    assert list(violations(raised.value)) == ["file.jsonl"]


def parquet(rows: list[dict]) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("filename", "data"),
    [
        ("bomb.jsonl.gz", gzip.compress(lines(PAIRS) + b" " * (2 << 20))),
        ("bomb.json.gz", gzip.compress(b"[" + b" " * (2 << 20) + b"]")),
        ("bomb.parquet", parquet([{"prompt": "q", "chosen": "x" * 5000, "rejected": "y"}] * 500)),
    ],
)
async def test_a_small_file_cannot_hide_a_large_one(tmp_path: Path, filename: str, data: bytes) -> None:
    assert len(data) < 20_000
    async with desk(tmp_path, max_import_mib=1) as service:
        await service.create()
        with pytest.raises(grpc.aio.AioRpcError, match="expected at most 1 MiB") as raised:
            await send(service, data, filename=filename)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert list((tmp_path / "work").glob("*")) == []


async def test_a_gzip_file_is_read_and_errors_tell_the_files_own_name(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create()
        answer = await send(service, gzip.compress(lines(HELPSTEER3)), filename="my pairs.jsonl.gz")
        bad = gzip.compress(lines([{**PAIRS[0], "chosen": 7}]))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await send(service, bad, filename="my pairs.jsonl.gz")
    assert answer.items == 4
    assert "my pairs.jsonl.gz:1" in str(list(violations(raised.value)))
    assert str(tmp_path) not in str(raised.value.details())


async def test_no_more_raters_come_by_import_than_a_campaign_has(tmp_path: Path) -> None:
    row = {"prompt": "q", "responses": ["a", "b"], "choice": "first"}
    data = lines([{**row, "rater": f"r{number}"} for number in range(2001)])
    async with desk(tmp_path) as service:
        await service.create()
        with pytest.raises(grpc.aio.AioRpcError, match="2001 raters in all, expected at most 2000"):
            await send(service, data, kind=pb.IMPORT_KIND_JUDGEMENTS)
        assert await service.judgements() == []


async def test_chunks_without_a_header_are_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.stub.ImportFile(iter([pb.ImportFileRequest(chunk=b"x")]))
    assert list(violations(raised.value)) == ["part"]


async def test_columns_are_mapped(tmp_path: Path) -> None:
    rows = [{"question": "q", "a": "one", "b": "two"}]
    async with desk(tmp_path) as service:
        await service.create()
        answer = await send(service, lines(rows), field_map={"context": "question", "response1": "a", "response2": "b"})
    assert (answer.items, answer.detected_format) == (1, "HelpSteer3 preference")
