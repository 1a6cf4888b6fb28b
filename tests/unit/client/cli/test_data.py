import json
import sys
from pathlib import Path

import pytest

from ..scripted_server import Script

PAIRS = [{"question": f"q{i}", "answer_a": f"good {i}", "answer_b": f"bad {i}"} for i in range(5)]
MAP = ("--map", "prompt=question", "--map", "chosen=answer_a", "--map", "rejected=answer_b")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    return file


def test_check_says_what_it_found(offline, pairs: Path) -> None:
    result = offline("data", "check", pairs, *MAP)
    assert result.exit_code == 0, result.output
    for part in ("comparison records", "chosen = answer_a", "sample 3", "good 0"):
        assert part in result.stdout
    report = json.loads(offline("data", "check", pairs, *MAP, "--json").stdout)
    assert report["counts"]["records"] == 5
    assert len(report["samples"]) == 3


def test_check_counts_bad_rows_against_what_is_tolerated(offline, pairs: Path) -> None:
    with pairs.open("a") as file:
        file.write(json.dumps({"question": "q", "answer_a": "same", "answer_b": "same"}) + "\n")
    result = offline("data", "check", pairs, *MAP)
    assert result.exit_code == 1
    assert "1 bad rows, more than --max-bad 0" in result.stderr
    assert offline("data", "check", pairs, *MAP, "--max-bad", 1).exit_code == 0


def test_check_names_a_column_that_is_not_there(offline, pairs: Path) -> None:
    result = offline("data", "check", pairs, "--map", "chosen=nope")
    assert result.exit_code == 1
    assert "nope" in result.stderr
    assert "FIELD=COLUMN" in offline("data", "check", pairs, "--map", "chosen").stderr


def test_check_without_the_services_says_what_to_install(offline, pairs: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "services.data", None)
    result = offline("data", "check", pairs)
    assert result.exit_code == 1
    assert "pip install" in result.stderr


def test_upload_list_download(cli, script: Script, pairs: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("data", "upload", pairs, "--name", "p", *MAP, "--json")
    assert json.loads(result.stdout)["record_type"] == "comparison"
    assert dict(script.requests["UploadDataset"][0][0].header.field_map)["rejected"] == "answer_b"
    assert cli("data", "list").stdout.split("\t")[1:3] == ["comparison", "2"]
    assert cli("data", "download", "p").stdout == "p.jsonl\n"
    assert (tmp_path / "p.jsonl").read_bytes() == pairs.read_bytes()
