"""Uploads in bounded chunks; downloads that are checked, atomic, and kept inside their folder."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest
import rlhf
from rlhf.transfers import CHUNK_BYTES, plain_name

from services.runtime import errors as server

from .scripted_server import SERVICES, Script, gone, raising


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 8192)  # 2 MiB
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    return folder


def test_a_dataset_is_sent_in_chunks_with_its_checksum(client: rlhf.Client, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "pairs.v2.jsonl"
    file.write_bytes(b"x" * (2 * CHUNK_BYTES + 5))
    heard: list[tuple[int, int]] = []
    dataset = client.datasets.upload(
        file, map={"chosen": "a"}, max_bad=3, record_type="comparison", progress=lambda *news: heard.append(news)
    )
    header, *chunks = script.requests["UploadDataset"][0]
    assert [len(part.chunk) for part in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 5]
    assert (header.header.name, header.header.filename, header.header.max_bad) == ("pairs", "pairs.v2.jsonl", 3)
    assert dict(header.header.field_map) == {"chosen": "a"}
    assert heard[-1] == (file.stat().st_size,) * 2
    assert dataset.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (dataset.record_type, dataset.num_records) == ("comparison", 2)


def test_an_upload_that_was_refused_starts_from_the_beginning(
    client: rlhf.Client, script: Script, tmp_path: Path
) -> None:
    file = tmp_path / "d.jsonl"
    file.write_bytes(b"abc")
    script.faults["UploadDataset"] = [gone(), raising(server.Overloaded("full", 0.05))]
    client.datasets.upload(file)
    assert script.datasets["d"] == b"abc"
    assert script.calls("UploadDataset") == 3


def test_unknown_record_types_and_missing_files_are_refused(client: rlhf.Client, tmp_path: Path) -> None:
    with pytest.raises(rlhf.InvalidInputError, match="expected something that exists"):
        client.datasets.upload(tmp_path / "none.jsonl")
    with pytest.raises(rlhf.InvalidInputError, match="record_type: got 'pairs', expected one of demonstration"):
        client.datasets.import_("hf://a/b", name="x", record_type="pairs")


def test_a_dataset_comes_home_checked_against_its_digest(client: rlhf.Client, script: Script, tmp_path: Path) -> None:
    script.datasets["d"] = b'{"a": 1}\n'
    (dataset,) = client.datasets.list()
    for reference in (dataset, "d", f"datasets/{dataset}"):
        assert client.datasets.download(reference, tmp_path / "new" / "d.jsonl").read_bytes() == b'{"a": 1}\n'
    with pytest.raises(rlhf.NotFoundError, match="no dataset 'e'"):
        client.datasets.download("e", tmp_path / "e.jsonl")


async def test_a_damaged_dataset_leaves_nothing(address: str, script: Script, tmp_path: Path) -> None:
    script.datasets["d"] = b"good"

    async def damage(context) -> None:
        script.datasets["d"] = b"evil"

    script.faults["DownloadDataset"] = [damage]
    async with rlhf.AsyncClient(trainer=address) as client:
        with pytest.raises(rlhf.TransferError, match="damaged"):
            await client.datasets.download("d", tmp_path / "d.jsonl")
    assert os.listdir(tmp_path) == []


async def test_a_model_goes_there_and_back(address: str, script: Script, folder: Path, tmp_path: Path) -> None:
    async with rlhf.AsyncClient(**dict.fromkeys(SERVICES, address)) as client:
        model = await client.models.upload(folder)
        home = await client.models.download(model, tmp_path / "home")
    assert (str(model), model.architecture, model.aliases) == ("base@1.3-aa", "LlamaForCausalLM", ["policy/default"])
    assert all(len(part.chunk) <= CHUNK_BYTES for part in script.requests["UploadModel"][0])
    assert {file.name for file in home.iterdir()} == {"config.json", "model.safetensors"}, "pickles stay at home"
    assert (home / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


async def test_an_upload_that_is_refused_half_way_says_why(address: str, script: Script, tmp_path: Path) -> None:
    """The service answers while chunks are on their way."""
    (tmp_path / "large.jsonl").write_bytes(b'{"prompt": "a"}\n' * 2**18)
    async with rlhf.AsyncClient(trainer=address) as client:
        for _ in range(3):
            script.faults["UploadDataset"] = [raising(server.Conflict("not now"))]
            with pytest.raises(rlhf.ConflictError, match="not now"):
                await client.datasets.upload(tmp_path / "large.jsonl")


async def test_an_upload_ends_with_the_task_that_waits_for_it(address: str, script: Script, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"prompt": "a"}\n')
    ended = asyncio.Event()
    serving = asyncio.get_running_loop()

    async def hang(context) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            serving.call_soon_threadsafe(ended.set)

    script.faults["UploadDataset"] = [hang]
    async with rlhf.AsyncClient(trainer=address) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.datasets.upload(tmp_path / "d.jsonl"), 0.5)
        await asyncio.wait_for(ended.wait(), 10)


def test_a_folder_without_safetensors_is_not_sent(client: rlhf.Client, script: Script, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(rlhf.InvalidInputError, match=r"holds .*pytorch_model.bin, expected \*.safetensors"):
        client.models.upload(folder)
    assert not script.calls("UploadModel")


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/b", "..", "", "a\\b", "a\0b"])
def test_a_path_cannot_leave_the_folder(client: rlhf.Client, script: Script, tmp_path: Path, path: str) -> None:
    with pytest.raises(rlhf.TransferError, match="expected a plain file name"):
        plain_name(path)
    script.files = {"config.json": b"{}", path: b"evil"}
    with pytest.raises(rlhf.TransferError):
        client.models.download("m", tmp_path / "in" / "home")
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == []


def test_a_damaged_file_leaves_nothing(client: rlhf.Client, script: Script, tmp_path: Path) -> None:
    script.files, script.announced = {"config.json": b"{}", "m.safetensors": b"abc"}, {"m.safetensors": "0" * 64}
    with pytest.raises(rlhf.TransferError, match=r"m\.safetensors arrived damaged"):
        client.models.download("m", tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(client: rlhf.Client, folder: Path) -> None:
    with pytest.raises(rlhf.TransferError, match="not empty"):
        client.models.download("m", folder)
    assert (folder / "config.json").read_text() == "{}"
