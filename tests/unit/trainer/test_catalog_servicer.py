"""Datasets and models in and out through a real control plane, by a client that shares no file system with it."""

import gzip
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from rlhf.v1 import catalog_pb2 as pb

from services.language_model.loading import save
from services.storage.location import open_store
from tests.unit.language_model.small_models import byte_level, causal
from tests.unit.trainer.control_planes import LLAMA, Stubs, control_plane, publish, violations

PAIRS = [{"prompt": f"Question {n}?", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(20)]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llama"
    save(causal("llama"), byte_level(pad_token="<s>"), folder)
    return folder


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Stubs]:
    async with control_plane(tmp_path, max_dataset_mib=1, max_model_gib=0.002) as stubs:
        yield stubs


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def dataset_parts(data: bytes, **header) -> Iterator[pb.UploadDatasetRequest]:
    given = {"name": "pairs", "filename": "pairs.jsonl", "sha256": sha256(data), **header}
    yield pb.UploadDatasetRequest(header=pb.DatasetHeader(**given))
    for start in range(0, len(data), 300):
        yield pb.UploadDatasetRequest(chunk=data[start : start + 300])


async def upload(stubs: Stubs, data: bytes, **header) -> pb.Dataset:
    return (await stubs.catalog.UploadDataset(dataset_parts(data, **header), timeout=90)).dataset


async def test_a_header_of_a_newer_client_is_refused_and_not_passed_over(catalog: Stubs) -> None:
    header, *chunks = dataset_parts(lines(PAIRS))
    header.header.MergeFromString(b"\xb8\x3e\x07")  # field 999
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await catalog.catalog.UploadDataset(iter([header, *chunks]), timeout=90)
    assert "field number 999" in violations(raised.value)["header"]


def model_parts(files: dict[str, bytes], name: str = "mine") -> Iterator[pb.UploadModelRequest]:
    yield pb.UploadModelRequest(header=pb.ModelHeader(name=name))
    for path, data in files.items():
        yield pb.UploadModelRequest(file=pb.ModelFile(path=path, size_bytes=len(data), sha256=sha256(data)))
        for start in range(0, len(data), 1 << 18):
            yield pb.UploadModelRequest(chunk=data[start : start + (1 << 18)])


async def upload_model(stubs: Stubs, files: dict[str, bytes], name: str = "mine") -> pb.Model:
    return (await stubs.catalog.UploadModel(model_parts(files, name), timeout=150)).model


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def stored(folder: Path) -> list[str]:
    return [info.key for info in open_store(str(folder / "store")).list()]


async def refused(call) -> dict[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT, raised.value.details()
    return violations(raised.value)


async def test_a_dataset_is_detected_stored_listed_and_given_back(catalog: Stubs) -> None:
    made = await upload(catalog, lines(PAIRS))
    listed = (await catalog.catalog.ListDatasets(pb.ListDatasetsRequest())).datasets
    call = catalog.catalog.DownloadDataset(pb.DownloadDatasetRequest(dataset="pairs"))
    data = b"".join([response.chunk async for response in call])
    assert (made.name, made.num_records, made.num_bad) == ("pairs", 20, 0)
    assert made.record_type == pb.RECORD_TYPE_COMPARISON
    assert list(listed) == [made]
    assert sha256(data) == made.digest
    assert json.loads(data.splitlines()[0])["chosen"] == "good 0"


async def test_a_field_map_and_a_compressed_file(catalog: Stubs) -> None:
    rows = [{"q": row["prompt"], "yes": row["chosen"], "no": row["rejected"]} for row in PAIRS]
    columns = {"prompt": "q", "chosen": "yes", "rejected": "no"}
    made = await upload(catalog, gzip.compress(lines(rows)), filename="p.jsonl.gz", field_map=columns)
    assert (made.record_type, made.num_records) == (pb.RECORD_TYPE_COMPARISON, 20)


async def test_a_bad_row_is_named_by_the_files_own_name(catalog: Stubs, tmp_path: Path) -> None:
    rows = [*PAIRS[:3], {**PAIRS[3], "rejected": PAIRS[3]["chosen"]}, *PAIRS[4:]]
    found = await refused(upload(catalog, lines(rows)))
    assert found["max_bad"] == "got 1 bad of 20 rows, expected at most 0 in pairs.jsonl"
    assert [field for field in found if field.startswith("pairs.jsonl:4 ")]
    assert not stored(tmp_path)
    assert (await upload(catalog, lines(rows), max_bad=1)).num_bad == 1


@pytest.mark.parametrize(
    ("header", "field", "description"),
    [
        ({"sha256": "0" * 64}, "pairs.jsonl.sha256", "expected " + "0" * 64 + " of the header"),
        ({"sha256": "abc"}, "pairs.jsonl.sha256", "got 'abc', expected 64 hex digits"),
        ({"filename": "../pairs.jsonl"}, "file.path", "got '../pairs.jsonl', expected a plain file name"),
        ({"name": "a/b"}, "name", "got 'a/b', expected 1 to 100 letters"),
        ({"record_type": pb.RECORD_TYPE_PROMPT, "field_map": {"prompt": "nope"}}, None, "nope"),
    ],
)
async def test_a_bad_header_is_refused(
    catalog: Stubs, tmp_path: Path, header: dict, field: str | None, description: str
) -> None:
    found = await refused(upload(catalog, lines(PAIRS), **header))
    assert description in (found[field] if field else str(found))
    assert not stored(tmp_path)


async def test_an_upload_is_bounded(catalog: Stubs, tmp_path: Path) -> None:
    found = await refused(upload(catalog, b"x" * (1 << 20) + b"x"))
    assert found["pairs.jsonl"].endswith("expected at most 1 MiB")
    assert not stored(tmp_path)


async def test_an_upload_that_breaks_off_leaves_nothing(catalog: Stubs, tmp_path: Path) -> None:
    call = catalog.catalog.UploadDataset()
    for part in list(dataset_parts(lines(PAIRS)))[:-1]:
        await call.write(part)
    call.cancel()
    await upload(catalog, lines(PAIRS), name="other")
    assert {key.split("/")[1] for key in stored(tmp_path)} == {"other"}
    assert not list((tmp_path / "work").glob("incoming-*"))


async def test_a_chunk_without_a_header_is_refused(catalog: Stubs) -> None:
    parts = iter([pb.UploadDatasetRequest(chunk=b"x")])
    found = await refused(catalog.catalog.UploadDataset(parts))
    assert found["part"] == "got chunk first, expected a header first"


async def test_a_model_comes_back_byte_by_byte(catalog: Stubs, llama: Path) -> None:
    made = await upload_model(catalog, contents(llama))
    assert made.architecture == "LlamaForCausalLM"
    assert made.size_bytes == sum(map(len, contents(llama).values()))
    assert len(made.tokenizer_digest) == len(made.chat_template_digest) == 64
    back: dict[str, bytes] = {}
    async for response in catalog.catalog.DownloadModel(pb.DownloadModelRequest(model="mine")):
        if response.HasField("file"):
            current = response.file
            back[current.path] = b""
        else:
            back[current.path] += response.chunk
    assert back == contents(llama)


async def test_promote_and_rollback_move_an_alias(catalog: Stubs, tmp_path: Path) -> None:
    first, second = publish(tmp_path, "mine", LLAMA), publish(tmp_path, "mine", LLAMA)
    for version in (first, second):
        await catalog.catalog.Promote(pb.PromoteRequest(model=str(version), alias="policy/default"))
    listed = (await catalog.catalog.ListModels(pb.ListModelsRequest())).models
    back = (await catalog.catalog.Rollback(pb.RollbackRequest(alias="policy/default"))).model_version
    found = [(m.model_version.version, m.architecture, list(m.aliases)) for m in listed]
    name = "LlamaForCausalLM"
    assert found == [(second.version, name, ["policy/default"]), (first.version, name, [])]
    assert back.version == first.version


async def test_weights_of_training_steps_are_listed_by_name_only(catalog: Stubs, tmp_path: Path) -> None:
    publish(tmp_path, "run-1-ppo", LLAMA, kind="training")
    everything = (await catalog.catalog.ListModels(pb.ListModelsRequest())).models
    named = (await catalog.catalog.ListModels(pb.ListModelsRequest(name="run-1-ppo"))).models
    assert (len(everything), len(named)) == (0, 1)


@pytest.mark.parametrize(
    ("change", "field", "description"),
    [
        ({"model.safetensors": None}, "model", "expected weights as *.safetensors"),
        ({"config.json": None}, "model", "got no config.json, expected a folder in Hugging Face layout"),
        ({"pytorch_model.bin": b"x"}, "file.path", "got 'pytorch_model.bin', expected a file ending in .safetensors"),
        ({"modeling.py": b"x"}, "file.path", "got 'modeling.py'"),
        ({"../config.json": b"{}"}, "file.path", "without folders"),
        ({"model.safetensors": b"no header"}, "model.safetensors", "expected a safetensors file"),
        ({"config.json": b'{"model_type": "no-such"}'}, "config.json", "architecture that transformers knows"),
    ],
)
async def test_what_is_no_model_is_refused(
    catalog: Stubs, llama: Path, tmp_path: Path, change: dict, field: str, description: str
) -> None:
    files = {name: data for name, data in {**contents(llama), **change}.items() if data is not None}
    found = await refused(upload_model(catalog, files))
    assert description in found[field]
    assert not stored(tmp_path)
    assert not list((tmp_path / "work").glob("incoming-*"))


async def test_a_file_that_is_shorter_than_it_said_is_refused(catalog: Stubs, llama: Path) -> None:
    parts = list(model_parts({"config.json": b"{}", "model.safetensors": b"weights"}))
    parts[-1] = pb.UploadModelRequest(chunk=b"weigh")
    found = await refused(catalog.catalog.UploadModel(iter(parts)))
    assert found == {"model.safetensors.size_bytes": "got 5 bytes, expected the 7 of the header"}


async def test_imports_read_a_folder_that_the_service_sees(catalog: Stubs, llama: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(llama, source)
    (source / "pytorch_model.bin").write_bytes(b"pickled")
    model = (await catalog.catalog.ImportModel(pb.ImportModelRequest(name="mine", source=str(source)))).model
    (source / "pairs.jsonl").write_bytes(lines(PAIRS))
    header = pb.DatasetHeader(name="pairs")
    request = pb.ImportDatasetRequest(header=header, source=str(source / "pairs.jsonl"))
    dataset = (await catalog.catalog.ImportDataset(request)).dataset
    assert model.architecture == "LlamaForCausalLM"
    assert not [key for key in stored(tmp_path) if key.endswith(".bin")]
    assert dataset.num_records == 20


async def test_an_import_that_cannot_be_is_refused(catalog: Stubs) -> None:
    for source, description in {
        "/no/such/folder": "got '/no/such/folder', which the service does not see, expected an existing path",
        "hf://no spaces": "expected hf://owner/name",
        "s3://bucket/model?endpoint=http://10.0.0.1": "expected s3://bucket/key without options",
    }.items():
        found = await refused(catalog.catalog.ImportModel(pb.ImportModelRequest(name="mine", source=source)))
        assert description in found["source"]


async def test_a_name_that_is_not_there_is_not_found(catalog: Stubs) -> None:
    for call in (
        catalog.catalog.DownloadModel(pb.DownloadModelRequest(model="nobody")),
        catalog.catalog.DownloadDataset(pb.DownloadDatasetRequest(dataset="nothing")),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=r"no (model|dataset) 'no") as raised:
            [_ async for _ in call]
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
