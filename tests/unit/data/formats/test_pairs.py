import pytest

from services.data import Comparison, Message, read
from services.data.formats import FORMATS
from services.data.records import RecordType
from services.runtime.errors import InvalidInput

USER = {"role": "user", "content": "Name a prime."}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


CHOSEN, REJECTED = [USER, assistant("Seven is prime.")], [USER, assistant("Nine is prime.")]
PRIME = Comparison((Message("user", "Name a prime."),), "Seven is prime.", "Nine is prime.")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Name a prime.", "chosen": "Seven is prime.", "rejected": "Nine is prime."},
        {"prompt": [USER], "chosen": "Seven is prime.", "rejected": "Nine is prime."},
        {"prompt": [USER], "chosen": [assistant("Seven is prime.")], "rejected": [assistant("Nine is prime.")]},
        {"prompt": "Name a prime.", "chosen": CHOSEN, "rejected": REJECTED},
        {"chosen": CHOSEN, "rejected": REJECTED},
        {"prompt": "\n\nHuman: Name a prime.\n\nAssistant:", "chosen": "Seven is prime.", "rejected": "Nine is prime."},
    ],
    ids=["strings", "message prompt", "messages", "repeated prompt", "implicit prompt", "transcript prompt"],
)
def test_one_pair_in_every_way_it_is_written(jsonl, row) -> None:
    assert read(jsonl(row)).records == [PRIME]


def test_answers_that_begin_alike_keep_their_beginning(jsonl) -> None:
    """A common prefix in characters would take "Seven is" out of both answers."""
    pair = {"chosen": [USER, assistant("Seven is prime.")], "rejected": [USER, assistant("Seven is pretty.")]}
    (record,) = read(jsonl(pair)).records
    assert (record.chosen, record.rejected) == ("Seven is prime.", "Seven is pretty.")


def test_implicit_prompt_of_strings_is_cut_between_words(jsonl) -> None:
    (record,) = read(jsonl({"chosen": "Sky is: blue indeed", "rejected": "Sky is: black"})).records
    assert record == Comparison((Message("user", "Sky is:"),), "blue indeed", "black")


def test_string_pair_where_one_is_the_beginning_of_the_other(jsonl) -> None:
    (record,) = read(jsonl({"chosen": "Go on now please", "rejected": "Go on"})).records
    assert (record.chosen, record.rejected) == ("on now please", "on")


def test_strings_with_nothing_in_common_have_no_prompt(jsonl) -> None:
    with pytest.raises(InvalidInput, match="a prompt column, or chosen and rejected that begin with the same prompt"):
        read(jsonl({"chosen": "Yes.", "rejected": "No."}))


def test_multi_turn_conversation_keeps_its_history(jsonl) -> None:
    history = [
        {"role": "system", "content": "Be brief."},
        USER,
        assistant("Two."),
        {"role": "user", "content": "More?"},
    ]
    row = {"chosen": [*history, assistant("Three.")], "rejected": [*history, assistant("Four.")]}
    (record,) = read(jsonl(row)).records
    assert [m.role for m in record.prompt] == ["system", "user", "assistant", "user"]
    assert (record.chosen, record.rejected) == ("Three.", "Four.")


def test_conversations_that_part_before_the_last_message_are_refused(jsonl) -> None:
    other = {"role": "user", "content": "Name a square."}
    with pytest.raises(InvalidInput, match="the same conversation as chosen, up to the last message"):
        read(jsonl({"chosen": [USER, assistant("7")], "rejected": [other, assistant("9")]}))


def test_equal_answers_are_refused_by_line_and_column(jsonl) -> None:
    good = {"prompt": "p", "good": "a", "bad": "b"}
    path = jsonl(good, {"prompt": "p", "good": "a", "bad": "a"})
    with pytest.raises(InvalidInput) as caught:
        read(path, {"chosen": "good", "rejected": "bad"})
    problem = caught.value.problems[1]
    assert problem.field == f"{path}:2 bad"
    assert (problem.given, problem.expected) == ("'a'", "an answer other than the chosen one")


@pytest.mark.parametrize("blank", ["", "  \n", [assistant("")]])
def test_empty_answers_are_refused(jsonl, blank) -> None:
    with pytest.raises(InvalidInput, match=r"rows.jsonl:1 chosen: got "):
        read(jsonl({"prompt": "p", "chosen": blank, "rejected": "b"}), record_type="comparison")


def test_margin_and_weight_are_numbers(jsonl) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "margin": 1, "weight": "0.5"}
    (record,) = read(jsonl(row)).records
    assert (record.margin, record.weight) == (1.0, 0.5)
    with pytest.raises(InvalidInput, match="margin: got 'much', expected a number"):
        read(jsonl(row | {"margin": "much"}))
    with pytest.raises(InvalidInput, match="weight: got nan, expected a finite number"):
        read(jsonl(row | {"weight": float("nan")}))
    with pytest.raises(InvalidInput, match="weight: got 0, expected a number above 0"):
        read(jsonl(row | {"weight": 0}))


def test_every_format_of_pairs_has_them() -> None:
    """A column that decides the loss in one format and is passed over in another would be a trap."""
    kinds = [form for form in FORMATS if form.record_type is RecordType.COMPARISON]
    assert len(kinds) > 5
    missing = [form.name for form in kinds if not {"margin", "weight"} <= {*form.columns, *form.optional}]
    assert missing == ["HelpSteer3 preference"]  # whose preference is the margin
