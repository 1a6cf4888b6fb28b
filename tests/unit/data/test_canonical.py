import pytest

from services.data import (
    Comparison,
    Demonstration,
    Message,
    PromptRecord,
    UnpairedLabel,
    read,
    read_canonical,
    write_canonical,
)
from services.runtime.errors import InvalidInput

PROMPT = (Message("system", "Short."), Message("user", "Café?\u2028\n"))
RECORDS = [
    Demonstration(PROMPT, "Yes"),
    Comparison(PROMPT, "Yes", "No"),
    Comparison(PROMPT, "Yes", "No", margin=2.0, weight=0.5),
    PromptRecord(PROMPT),
    UnpairedLabel(PROMPT, "Yes", False),
]


def test_records_survive_the_round_trip(tmp_path) -> None:
    write_canonical(tmp_path / "all.jsonl", RECORDS)
    assert read_canonical(tmp_path / "all.jsonl") == RECORDS


def test_equal_records_give_equal_bytes(tmp_path) -> None:
    for name in ("a", "b"):
        write_canonical(tmp_path / name, RECORDS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "Café" in (tmp_path / "a").read_text(encoding="utf-8")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_canonical_files_are_a_format_of_their_own_right(tmp_path, record) -> None:
    """What was downloaded can be uploaded again."""
    write_canonical(tmp_path / "one.jsonl", [record])
    assert read(tmp_path / "one.jsonl").records == [record]


@pytest.mark.parametrize(
    "line",
    [
        '{"prompt":[{"role":"user","content":"x"}],"response":"y","extra":1}',
        '{"prompt":"x","response":"y"}',
        '{"prompt":[{"role":"user"}],"response":"y"}',
        '{"prompt":[{"role":"user","content":1}],"response":"y"}',
        '{"prompt":[{"role":"user","content":"x"}],"response":null}',
        '{"prompt":[{"role":"user","content":"x"}],"response":"y","label":"yes"}',
        "not json",
        "[]",
    ],
)
def test_anything_else_is_refused_by_line(tmp_path, line: str) -> None:
    path = tmp_path / "stored.jsonl"
    path.write_text('{"prompt":[{"role":"user","content":"x"}],"response":"y"}\n' + line + "\n")
    with pytest.raises(InvalidInput, match=r"stored.jsonl:2: got .*, expected a canonical record"):
        read_canonical(path)
