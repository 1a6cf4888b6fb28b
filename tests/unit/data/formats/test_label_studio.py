import json

import pytest

from services.data import Comparison, Message, read
from services.runtime.errors import InvalidInput


def annotation(selected: str, to_name: str = "answer1,answer2", **extra) -> dict:
    result = {"id": "x1", "type": "pairwise", "from_name": "pw", "to_name": to_name, "value": {"selected": selected}}
    return {"id": 4, "completed_by": 1, "result": [result], **extra}


def task(*annotations: dict) -> dict:
    data = {"prompt": "Say hi.", "answer1": "Hi!", "answer2": "Go away."}
    return {"id": 1, "data": data, "annotations": list(annotations), "predictions": []}


def export(tmp_path, *tasks: dict):
    path = tmp_path / "project-1.json"
    path.write_text(json.dumps(tasks, indent=2))
    return path


PROMPT = (Message("user", "Say hi."),)


def test_every_vote_is_one_comparison(tmp_path) -> None:
    voted = task(annotation("left"), annotation("right"), annotation("left", was_cancelled=True))
    result = read(export(tmp_path, voted, task()))
    assert result.detected_format == "Label Studio pairwise"
    assert result.records == [Comparison(PROMPT, "Hi!", "Go away."), Comparison(PROMPT, "Go away.", "Hi!")]
    assert result.counts == {"rows": 2, "records": 2, "unlabelled tasks": 1, "bad": 0}


def test_left_is_what_the_labelling_config_put_there(tmp_path) -> None:
    (record,) = read(export(tmp_path, task(annotation("left", "answer2,answer1")))).records
    assert record.chosen == "Go away."


def test_names_that_the_data_does_not_know_need_a_map(tmp_path) -> None:
    path = export(tmp_path, task(annotation("right", "txt-1,txt-2")))
    with pytest.raises(InvalidInput, match=r"or map left and right, e.g. left=data.answer1"):
        read(path)
    (record,) = read(path, {"left": "data.answer1", "right": "data.answer2"}).records
    assert record.chosen == "Go away."


def test_a_side_is_left_or_right(tmp_path) -> None:
    with pytest.raises(InvalidInput, match="selected: got 'both', expected left or right"):
        read(export(tmp_path, task(annotation("both"))))


@pytest.mark.parametrize(
    ("annotations", "field"),
    [
        (["left"], "annotations"),
        ([{"result": {"type": "pairwise"}}], "annotations.result"),
        ([{"result": ["left"]}], "annotations.result"),
        ([{"result": [{"type": "pairwise", "value": "left"}]}], "annotations.result.value"),
    ],
)
def test_what_is_no_object_is_told_by_its_field(tmp_path, annotations: list, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"{field}: got "):
        read(export(tmp_path, {**task(), "annotations": annotations}))
