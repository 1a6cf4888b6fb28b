"""A file can hold anything: whatever stands in a field, the row is read or is bad, and a bad one says where."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from services.data.formats.format import BadValue
from services.feedback.answers import Choice, Preference, Skip
from services.feedback.import_rows import FORMATS, IMPORTED, Said, helpsteer3, label_studio, plain
from services.feedback.judgements import MAX_MILLISECONDS

PLAIN = {
    "prompt": [{"role": "user", "content": "q"}],
    "responses": ["a", "b"],
    "sources": ["new", "old"],
    "domain": "tea",
    "gold": 1,
    "propensity": 0.5,
    "rater": "anna",
    "choice": "first",
    "strength": 2,
    "order": [1, 0],
    "note": "clear",
    "milliseconds": 900,
}
HELPSTEER3 = {
    "context": "q",
    "response1": "a",
    "response2": "b",
    "domain": "tea",
    "overall_preference": 1,
    "individual_preference": [{"score": -3}, {"score": 0}],
}
TASK = {
    "data": {"prompt": "q", "answer1": "a", "answer2": "b"},
    "annotations": [
        {
            "completed_by": {"id": 3, "email": "anna@example.org"},
            "was_cancelled": False,
            "lead_time": 2.5,
            "result": [{"type": "pairwise", "to_name": "answer1,answer2", "value": {"selected": "right"}}],
        }
    ],
}
JUNK = [None, "", "x", "\ud800", -1, 2**70, 0.5, float("nan"), float("-inf"), True, [], [None], [[]], {}, {"x": None}]
ROWS = dict(zip((one.name for one in FORMATS), (PLAIN, HELPSTEER3, TASK), strict=True))


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(part, (*path, key))


def changed(row: Any, path: tuple, value: Any) -> Any:
    row = copy.deepcopy(row)
    holder = row
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return row


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_whatever_a_field_holds_the_row_is_read_or_told_to_be_bad(form) -> None:
    row, outcomes = ROWS[form.name], []
    for path in places(row):
        for junk in JUNK:
            try:
                found = form.parse(changed(row, path, junk))
            except BadValue as error:
                outcomes.append(error.field != "")
            else:
                assert all(0 <= one.milliseconds <= MAX_MILLISECONDS and len(one.note) <= 4000 for one in found.said)
                assert 0 < found.item.propensity <= 1
                assert found.item.gold in (None, 0, 1)
    assert all(outcomes)
    assert len(outcomes) > 50


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"milliseconds": 2**40}, "milliseconds"),
        ({"milliseconds": "soon"}, "milliseconds"),
        ({"note": "x" * 4001}, "note"),
        ({"propensity": 0}, "propensity"),
        ({"gold": 2}, "gold"),
        ({"gold": True}, "gold"),
        ({"order": [0, 0]}, "order"),
        ({"strength": 4}, "strength"),
        ({"choice": "left"}, "choice"),
        ({"responses": ["a", "b", "c"]}, "choice"),
        ({"skip_reason": "x" * 501}, "skip_reason"),
        ({"domain": "x" * 201}, "domain"),
    ],
)
def test_a_bad_row_says_which_field(change: dict, field: str) -> None:
    with pytest.raises(BadValue) as raised:
        plain({**PLAIN, **change})
    assert raised.value.field == field


def test_an_answer_is_about_the_responses_as_they_stand_in_the_row() -> None:
    """The first of the row's own order, which had swapped the responses, is the item's second."""
    assert plain(PLAIN).said == [Said("anna", Preference(Choice.SECOND, 2), "clear", 900)]
    assert plain({**PLAIN, "choice": "tie"}).said[0].answer == Preference(Choice.TIE, 2)
    assert plain({**PLAIN, "undone": True}).said == plain({**PLAIN, "repeat": True}).said == []


def test_a_skip_is_a_judgement_too() -> None:
    row = {**PLAIN, "choice": None, "strength": None, "kind": "skip", "skip_reason": "both are code"}
    assert plain(row).said == [Said("anna", Skip("both are code"), "clear", 900)]


def test_helpsteer3_has_its_raters_or_one_opinion() -> None:
    every = [Preference(Choice.FIRST, 3), Preference(Choice.TIE)]
    assert [one.answer for one in helpsteer3(HELPSTEER3).said] == every
    alone = helpsteer3({**HELPSTEER3, "individual_preference": None}).said
    assert alone == [Said(IMPORTED, Preference(Choice.SECOND, 1))]


def test_a_page_left_open_overnight_is_cut_to_a_day() -> None:
    row = changed(TASK, ("annotations", 0, "lead_time"), 1e7)
    assert label_studio(row).said == [Said("anna@example.org", Preference(Choice.SECOND), "", MAX_MILLISECONDS)]
