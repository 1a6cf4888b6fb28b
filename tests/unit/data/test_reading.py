import json

import pytest

from services.data import read
from services.data.reading import MAX_PROBLEMS
from services.runtime.errors import InvalidInput

GOOD = {"prompt": "p", "completion": "c"}
BAD = {"prompt": "p", "completion": ""}


def test_more_bad_rows_than_allowed_are_an_error_that_lists_them(jsonl) -> None:
    path = jsonl(GOOD, BAD, GOOD, BAD)
    with pytest.raises(InvalidInput) as caught:
        read(path, max_bad=1)
    summary, *rows = caught.value.problems
    assert (summary.field, summary.given) == ("max_bad", "2 bad of 4 rows")
    assert [problem.field for problem in rows] == [f"{path}:2 completion", f"{path}:4 completion"]


def test_the_list_in_an_error_is_bounded(jsonl) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(jsonl(*[BAD] * 100, *[GOOD] * 100))
    assert len(caught.value.problems) == MAX_PROBLEMS + 1
    assert caught.value.problems[0].given == "100 bad of 200 rows"


def test_tolerated_rows_go_to_quarantine_with_the_reason(jsonl, tmp_path) -> None:
    path = jsonl(GOOD, BAD)
    result = read(path, max_bad=1, quarantine=tmp_path / "bad.jsonl")
    assert result.counts == {"rows": 2, "records": 1, "bad": 1}
    (entry,) = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert entry["row"] == BAD
    assert (entry["where"], entry["field"], entry["got"]) == (f"{path}:2", "completion", "''")


def test_quarantine_of_a_line_that_is_no_json(jsonl, tmp_path) -> None:
    path = jsonl(GOOD)
    path.write_text(path.read_text() + "{oops\n")
    read(path, max_bad=1, quarantine=tmp_path / "bad.jsonl")
    assert json.loads((tmp_path / "bad.jsonl").read_text())["got"] == "'{oops'"


def test_a_file_of_bad_rows_alone_is_an_error_however_many_are_allowed(jsonl) -> None:
    with pytest.raises(InvalidInput, match="no usable rows"):
        read(jsonl(BAD, BAD), max_bad=10)


def test_records_know_their_lines(jsonl) -> None:
    assert read(jsonl(GOOD, BAD, GOOD), max_bad=1).lines == [1, 3]
