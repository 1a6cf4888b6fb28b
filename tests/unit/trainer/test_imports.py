from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput
from services.storage.location import open_store
from services.trainer.imports import Importer
from services.trainer.settings import TrainerSettings

MIB = 1 << 20


def test_a_path_stays_below_the_root(tmp_path: Path) -> None:
    root, secret = tmp_path / "shared", tmp_path / "secret.jsonl"
    root.mkdir()
    secret.write_text("{}")
    (root / "link.jsonl").symlink_to(secret)
    importer = Importer("store", root)
    for source in (str(secret), f"{root}/../secret.jsonl", str(root / "link.jsonl"), f"file://{secret}"):
        with pytest.raises(InvalidInput, match=r"expected hf://…, s3://… or a path below"):
            importer.dataset(source, tmp_path, MIB)


def test_without_a_root_nothing_of_the_machine_is_imported(tmp_path: Path) -> None:
    """As on a host that others reach, unless a root is set: a file of tokens could be read as a dataset."""
    for source in ("/etc/hostname", "file:///etc/hostname"):
        with pytest.raises(InvalidInput, match="the service has no import_root"):
            Importer("store", None).dataset(source, tmp_path, MIB)
    local, reached = (TrainerSettings(storage="x", host=host, tokens="x") for host in ("127.0.0.1", "0.0.0.0"))
    assert (local.importable, reached.importable) == (Path("/"), None)
    assert TrainerSettings(storage="x", host="0.0.0.0", tokens="x", import_root=tmp_path).importable == tmp_path


def test_only_the_files_of_a_model_are_taken_from_a_folder(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "original").mkdir(parents=True)
    target.mkdir()
    for name in ("config.json", "model.safetensors", "pytorch_model.bin", "README.md", "own.py", "original/x.json"):
        (source / name).write_text("{}")
    Importer("store", Path("/")).model(str(source), target, MIB)
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors"]


def test_an_import_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 2 * MIB)
    with pytest.raises(InvalidInput, match="with 2 MiB, expected at most 1 MiB"):
        Importer("store", Path("/")).model(str(tmp_path), tmp_path / "target", MIB)


def test_the_hub_is_asked_by_services_data(tmp_path: Path) -> None:
    assert Importer("store", Path("/")).dataset("hf://owner/name:train", tmp_path, MIB) == "hf://owner/name:train"


def test_buckets_of_the_services_own_s3_server(s3_url: str, tmp_path: Path) -> None:
    bucket = s3_url.partition("?")[0]
    store = open_store(s3_url)
    for name in ("config.json", "model.safetensors", "model.bin"):
        store.put(f"models/tiny/{name}", name.encode())
    store.put("data/pairs.jsonl", b"{}\n")
    importer = Importer(s3_url, Path("/"))
    importer.model(f"{bucket}/models/tiny", tmp_path, MIB)
    path = importer.dataset(f"{bucket}/data/pairs.jsonl", tmp_path, MIB)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == [
        "config.json",
        "model.safetensors",
        "pairs.jsonl",
    ]
    assert Path(path).read_bytes() == b"{}\n"
    with pytest.raises(InvalidInput, match=r"with 0 MiB, expected at most 0 MiB"):
        importer.dataset(f"{bucket}/data/pairs.jsonl", tmp_path, 1)
