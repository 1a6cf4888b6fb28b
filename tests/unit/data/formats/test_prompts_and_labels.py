import pytest

from services.data import Message, PromptRecord, UnpairedLabel, read
from services.runtime.errors import InvalidInput

HELLO = (Message("user", "Hello?"),)


@pytest.mark.parametrize("column", ["prompt", "question", "query", "instruction", "text"])
def test_plain_text_prompts(jsonl, column: str) -> None:
    assert read(jsonl({column: "Hello?"})).records == [PromptRecord(HELLO)]


def test_prompts_as_messages(jsonl) -> None:
    result = read(jsonl({"prompt": [{"role": "user", "content": "Hello?"}], "data_source": "x"}))
    assert result.records == [PromptRecord(HELLO)]
    assert result.unused_columns == ("data_source",)


@pytest.mark.parametrize(
    ("label", "good"),
    [(True, True), (False, False), (1, True), (0, False), ("True", True), ("false", False), (1.0, True)],
)
def test_unpaired_labels(jsonl, label, good: bool) -> None:
    assert read(jsonl({"prompt": "Hello?", "completion": "Hi", "label": label})).records == [
        UnpairedLabel(HELLO, "Hi", good)
    ]


@pytest.mark.parametrize("label", ["maybe", None, 2, [1]])
def test_unclear_label(jsonl, label) -> None:
    good = {"prompt": "Hello?", "completion": "Hi", "label": True}
    with pytest.raises(InvalidInput, match=r"rows.jsonl:2 label: got .*, expected true or false"):
        read(jsonl(good, good | {"label": label}))
