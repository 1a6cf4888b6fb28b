import json

import pytest

from services.data import Message, PromptRecord, read
from services.runtime.errors import InvalidInput


@pytest.fixture
def local_hub(tmp_path, monkeypatch):
    """`datasets` looks for owner/name below the working directory before it asks the hub, so no network is needed."""
    folder = tmp_path / "someone" / "questions"
    folder.mkdir(parents=True)
    for split, text in (("train", "Why?"), ("test", "How?")):
        (folder / f"{split}.jsonl").write_text(json.dumps({"prompt": text}) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.usefixtures("local_hub")
@pytest.mark.parametrize(
    ("source", "text"), [("hf://someone/questions", "Why?"), ("hf://someone/questions:test", "How?")]
)
def test_split_of_a_hub_dataset(source: str, text: str) -> None:
    assert read(source).records == [PromptRecord((Message("user", text),))]


@pytest.mark.usefixtures("local_hub")
def test_unknown_split_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"hf://someone/questions:dev .*expected a dataset that can be loaded"):
        read("hf://someone/questions:dev")


@pytest.mark.parametrize("source", ["hf://", "hf://name", "hf://../../etc", "hf://a/b/c", "hf:///etc/passwd"])
def test_only_owner_and_name_are_taken(source: str) -> None:
    with pytest.raises(InvalidInput, match="expected hf://owner/name"):
        read(source)
