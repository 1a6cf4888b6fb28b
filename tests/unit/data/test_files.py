import csv
import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from services.data import Comparison, Message, files, read
from services.data.files import read_rows
from services.runtime.errors import InvalidInput

ROWS = [{"prompt": f"Question {n}?\nIn short.", "chosen": f"Yes, {n}", "rejected": "No"} for n in range(3)]
RECORDS = [Comparison((Message("user", row["prompt"]),), row["chosen"], row["rejected"]) for row in ROWS]


def write_csv(path) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]))
        writer.writeheader()
        writer.writerows(ROWS)


def compress(path, source) -> None:
    path.write_bytes(gzip.compress(source.read_bytes()))


def write(path) -> None:
    """The rows above in the format the ending names."""
    name = path.name.removesuffix(".gz")
    plain = path.with_name(name)
    if name.endswith(".csv"):
        write_csv(plain)
    elif name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), plain)
    elif name.endswith(".json"):
        plain.write_text(json.dumps(ROWS, indent=1))
    else:
        plain.write_text("\n".join(map(json.dumps, ROWS)))
    if path != plain:
        compress(path, plain)
        plain.unlink()


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "ndjson", "json", "json.gz", "csv", "csv.gz", "parquet"])
def test_same_records_from_every_kind_of_file(tmp_path, ending: str) -> None:
    path = tmp_path / f"pairs.{ending}"
    write(path)
    result = read(path)
    assert result.records == RECORDS
    assert result.detected_format == "prompt-chosen-rejected (strings)"


def test_messages_in_parquet_and_csv(tmp_path) -> None:
    message = [{"role": "user", "content": "Hi"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"prompt": message}]), tmp_path / "p.parquet")
    (tmp_path / "p.csv").write_text('prompt\n"' + json.dumps(message).replace('"', '""') + '"\n')
    for name in ("p.parquet", "p.csv"):
        assert read(tmp_path / name).records[0].prompt == (Message("user", "Hi"),)


def test_lines_are_those_of_the_file(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    (tmp_path / "b.csv").write_text('a\n"one\ntwo"\nthree\n')
    (tmp_path / "c.json").write_text('[\n {"a": 1},\n {\n "a": 2},\n {"a": 3}\n]\n')
    lines = {name: [row.line for row in read_rows(tmp_path / name)] for name in ("a.jsonl", "b.csv", "c.json")}
    assert lines == {"a.jsonl": [1, 3], "b.csv": [2, 4], "c.json": [2, 3, 5]}


def test_json_lines_under_a_json_ending_and_a_byte_order_mark(tmp_path) -> None:
    path = tmp_path / "pairs.json"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(json.dumps(row).encode() for row in ROWS))
    assert read(path).records == RECORDS


def test_broken_lines_are_named_and_the_others_read(tmp_path) -> None:
    path = tmp_path / "pairs.jsonl"
    lines = [
        json.dumps(ROWS[0]).encode(),
        b'{"prompt": "x", ',
        b'{"prompt": "caf\xe9"}',
        b"[1]",
        json.dumps(ROWS[1]).encode(),
    ]
    path.write_bytes(b"\n".join(lines))
    result = read(path, max_bad=3)
    assert result.records == RECORDS[:2]
    assert [(bad.where.rsplit(":")[-1], bad.field) for bad in result.bad] == [
        ("2", "line"),
        ("3", "encoding"),
        ("4", "line"),
    ]
    assert "valid JSON" in result.bad[0].expected
    assert "UTF-8 (byte 16 of the line is not)" in result.bad[1].expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'[{"prompt": "x"},\n {"prompt": }]', r"a.json:2: got .*, expected valid JSON"),
        ("a.json", b'[{"prompt": "x"},\n {"prompt": "y"}', r"a.json:2: got .*, expected valid JSON"),
        ("a.json", b'[\n{"prompt": "\xff"}]', "a.json:2: got .*, expected UTF-8"),
        ("a.csv", b"prompt\nx\n\xff\xfe\n", "a.csv:3: got .*, expected UTF-8"),
        ("a.csv", b'prompt\nx\n"y\n', "a.csv:3: got .*, expected valid CSV"),
        ("a.csv", b"prompt\nx,y\n", "a.csv:2 row: got .*, expected as many cells as the header has"),
        ("a.parquet", b"PAR1 not really", "a.parquet: got .*, expected a Parquet file"),
        ("a.jsonl.gz", b"not gzip", "a.jsonl.gz: got .*, expected a readable file"),
        ("a.jsonl", b"", "a.jsonl: got no rows, expected at least one record"),
        ("a.txt", b"hello", "a.txt: got .txt, expected a file ending in .jsonl"),
    ],
)
def test_unreadable_files_are_refused_by_name(tmp_path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        read(tmp_path / name)


def test_missing_file_and_folder(tmp_path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere.jsonl: got no such file, expected an existing file"):
        read(tmp_path / "nowhere.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(InvalidInput, match=r"folder.jsonl: got a folder"):
        read(tmp_path / "folder.jsonl")


def test_truncated_gzip(tmp_path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt": "x"}\n' * 1000)[:-20])
    with pytest.raises(InvalidInput, match=r"a.jsonl.gz: got .*, expected a readable file"):
        read(path)


def test_sizes_are_bounded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "MAX_ROW_BYTES", 1000)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 1 << 20)
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "x"}\n' + json.dumps({"prompt": "y" * 5000}) + '\n{"prompt": "z"}\n')
    result = read(path, max_bad=1)
    assert [record.prompt[0].content for record in result.records] == ["x", "z"]
    bomb = tmp_path / "b.jsonl.gz"
    bomb.write_bytes(gzip.compress(b'{"prompt": "x"}\n' * 100_000))
    table = tmp_path / "c.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"prompt": f"{n:030}" * 20} for n in range(3000)]), table)
    repeated = tmp_path / "d.parquet"  # one value in the file's dictionary, in every row
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"prompt": "y" * 900}] * 3000), repeated)
    assert repeated.stat().st_size < 10_000
    for large in (bomb, table, repeated):
        with pytest.raises(InvalidInput, match="more than 1 MiB, expected a smaller file"):
            read(large)
