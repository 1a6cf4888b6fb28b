"""Datasets are named by the sha256 of their records."""

import hashlib
from pathlib import Path

import pytest

from services.runtime.errors import DataLoss, InvalidInput, NotFound
from services.storage.datasets import DatasetInfo, DatasetStore
from services.storage.object_store import ObjectStore

INFO = {"record_type": "prompt", "num_records": 2, "num_bad": 0, "detected_format": "prompts"}


@pytest.fixture
def datasets(store: ObjectStore) -> DatasetStore:
    return DatasetStore(store)


def put(datasets: DatasetStore, tmp_path: Path, text: str, name: str = "prompts") -> DatasetInfo:
    (tmp_path / "records").write_text(text)
    return datasets.put(name, tmp_path / "records", INFO)


def test_records_come_back_as_they_went(datasets: DatasetStore, tmp_path: Path) -> None:
    dataset = put(datasets, tmp_path, '{"prompt": "a"}\n{"prompt": "b"}\n')
    fetched = datasets.fetch(dataset, tmp_path / "work")
    assert fetched.read_text() == '{"prompt": "a"}\n{"prompt": "b"}\n'
    assert dataset.digest == hashlib.sha256(fetched.read_bytes()).hexdigest()
    assert [p.name for p in (tmp_path / "work").iterdir()] == [fetched.name]


def test_a_reference_in_each_form(datasets: DatasetStore, tmp_path: Path) -> None:
    old, new = put(datasets, tmp_path, "1\n"), put(datasets, tmp_path, "2\n")
    assert datasets.resolve("prompts") == datasets.resolve("datasets/prompts") == new
    assert datasets.resolve(str(old)) == datasets.resolve(f"datasets/{old}") == old
    assert datasets.list("prompts") == [new, old]


def test_the_same_records_again_are_the_same_dataset_and_the_newest(datasets: DatasetStore, tmp_path: Path) -> None:
    first = put(datasets, tmp_path, "1\n")
    put(datasets, tmp_path, "2\n")
    again = put(datasets, tmp_path, "1\n")
    assert again.digest == first.digest
    assert datasets.resolve("prompts") == again
    assert len(datasets.list()) == 2


def test_list_covers_all_names_newest_first(datasets: DatasetStore, tmp_path: Path) -> None:
    a, b = put(datasets, tmp_path, "1\n", "a"), put(datasets, tmp_path, "1\n", "b")
    assert datasets.list() == [b, a]
    assert datasets.list("none") == []


def test_records_without_info_are_not_there(datasets: DatasetStore, store: ObjectStore, tmp_path: Path) -> None:
    dataset = put(datasets, tmp_path, "1\n")
    store.delete(f"datasets/prompts/{dataset.digest}/info.json")
    assert datasets.list() == []


def test_what_does_not_exist_is_refused_with_what_does(datasets: DatasetStore, tmp_path: Path) -> None:
    dataset = put(datasets, tmp_path, "1\n")
    for reference in ("pairs", "prompts@" + "0" * 64):
        with pytest.raises(NotFound, match=f"there are {dataset}"):
            datasets.resolve(reference)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 101])
def test_path_tricks_in_names_are_refused(datasets: DatasetStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="dataset"):
        put(datasets, tmp_path, "1\n", name)
    with pytest.raises(InvalidInput, match="dataset"):
        datasets.resolve(name)


def test_changed_records_are_found(datasets: DatasetStore, store: ObjectStore, tmp_path: Path) -> None:
    dataset = put(datasets, tmp_path, "1\n")
    store.put(f"datasets/prompts/{dataset.digest}/records.jsonl", b"2\n")
    with pytest.raises(DataLoss, match="prompts"):
        datasets.fetch(dataset, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []
