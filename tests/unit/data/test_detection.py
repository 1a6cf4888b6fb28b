import pytest

from services.data import read
from services.runtime.errors import InvalidInput

PAIR = {"prompt": "p", "chosen": "a", "rejected": "b"}


def test_one_odd_row_does_not_decide(jsonl) -> None:
    """The first row's answers look like transcripts; the 99 after it are plain."""
    odd = {"chosen": "\n\nHuman: x\n\nAssistant: y", "rejected": "\n\nHuman: x\n\nAssistant: z"}
    result = read(jsonl(odd, *[PAIR] * 99), max_bad=1)
    assert result.detected_format == "prompt-chosen-rejected (strings)"
    assert (len(result.records), len(result.bad)) == (99, 1)


def test_a_column_that_the_first_row_lacks(jsonl) -> None:
    result = read(jsonl({"prompt": "p"}, *[{"prompt": "p", "completion": "c"}] * 99), max_bad=1)
    assert result.record_type == "demonstration"
    assert result.bad[0].expected == "text"


def test_mixed_shapes_are_named(jsonl) -> None:
    messages = {"prompt": [{"role": "user", "content": "p"}], "chosen": "a", "rejected": "b"}
    assert read(jsonl(PAIR, messages)).detected_format == "prompt-chosen-rejected (messages and strings)"


def test_map_names_the_columns_and_is_shown(jsonl) -> None:
    row = {"question": "p", "answer_a": "a", "answer_b": "b"}
    result = read(jsonl(row), {"prompt": "question", "chosen": "answer_a", "rejected": "answer_b"})
    assert result.mapping == {"prompt": "question", "chosen": "answer_a", "rejected": "answer_b"}
    assert result.records[0].chosen == "a"
    assert result.detected_format == "prompt-chosen-rejected (strings)"


def test_map_reaches_inside_an_object(jsonl) -> None:
    row = {"prompt": "p", "answers": {"good": "a", "bad": "b"}}
    result = read(jsonl(row), {"chosen": "answers.good", "rejected": "answers.bad"})
    assert result.records[0].rejected == "b"


def test_wrong_column_names_those_found_and_suggests_map(jsonl) -> None:
    path = jsonl({"prompt": "p", "good": "a", "bad": "b"})
    with pytest.raises(InvalidInput) as caught:
        read(path, record_type="comparison")
    (problem,) = caught.value.problems
    assert problem.given == "columns prompt, good, bad"
    assert "prompt + chosen + rejected" in problem.expected
    assert "--map chosen=answer_a" in problem.expected


def test_a_column_without_any_value_counts_as_missing(jsonl) -> None:
    with pytest.raises(
        InvalidInput, match=r"columns prompt, chosen \(empty\), rejected, expected columns for comparison"
    ):
        read(jsonl(PAIR | {"chosen": None}), record_type="comparison")


def test_map_to_a_missing_column_and_of_an_unknown_field(jsonl) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(jsonl(PAIR), {"chosen": "answer_a", "best": "chosen"})
    by_field = {problem.field: problem for problem in caught.value.problems}
    assert by_field["map.chosen"].given == "answer_a"
    assert "prompt, chosen, rejected" in by_field["map.chosen"].expected
    assert "one of the fields" in by_field["map.best"].expected


def test_columns_that_nothing_is_read_from_are_told(jsonl) -> None:
    assert read(jsonl(PAIR | {"source": "x"})).unused_columns == ("source",)


def test_record_type_narrows_what_is_detected(jsonl) -> None:
    assert read(jsonl(PAIR), record_type="prompt").record_type == "prompt"
    with pytest.raises(InvalidInput, match="record_type: got ranking, expected one of demonstration, comparison"):
        read(jsonl(PAIR), record_type="ranking")
