"""Label Studio's JSON export of a Pairwise project: tasks with their texts and annotations that say left or right.

Every annotation that names a side is one comparison; tasks without one are left out. Which text is left is what the
labelling config says in toName ("answer1,answer2"); where those are not the names of the data, map left and right.
"""

from typing import Any

from services.data.formats.conversation import as_answer, as_prompt
from services.data.formats.format import BadValue, Fields, Format
from services.data.formats.pairs import WEIGHTS, comparison
from services.data.records import Comparison, Record, RecordType


def looks_right(fields: Fields) -> bool:
    return isinstance(fields["data"], dict) and isinstance(fields["annotations"], list)


def parse(fields: Fields) -> list[Record]:
    if not looks_right(fields):
        raise BadValue("annotations", fields["annotations"], "a Label Studio task with data and a list of annotations")
    annotations = objects("annotations", fields["annotations"])
    kept = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    results = [result for each in kept for result in objects("annotations.result", each.get("result") or [])]
    return [vote(fields, result) for result in results if result.get("type") == "pairwise"]


def objects(field: str, value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise BadValue(field, value, "a list of objects")
    return value


def vote(fields: Fields, result: dict[str, Any]) -> Comparison:
    value = result.get("value") or {}
    if not isinstance(value, dict):
        raise BadValue("annotations.result.value", value, "an object with selected")
    selected = value.get("selected")
    if selected not in ("left", "right"):
        raise BadValue("annotations.result.value.selected", selected, "left or right")
    prompt = as_prompt("prompt", fields["prompt"])
    left, right = sides(fields, str(result.get("to_name")))
    chosen, rejected = (left, right) if selected == "left" else (right, left)
    return comparison((prompt, chosen), (prompt, rejected), fields)


def sides(fields: Fields, to_name: str) -> tuple[str, str]:
    if fields.get("left") is not None and fields.get("right") is not None:
        return as_answer("left", fields["left"]), as_answer("right", fields["right"])
    names = [name.strip() for name in to_name.split(",")]
    if len(names) != 2 or not all(name in fields["data"] for name in names):
        raise BadValue(
            "to_name", to_name, f"two of {', '.join(fields['data'])}; or map left and right, e.g. left=data.answer1"
        )
    left, right = (as_answer(f"data.{name}", fields["data"][name]) for name in names)
    return left, right


FORMAT = Format(
    name="Label Studio pairwise",
    record_type=RecordType.COMPARISON,
    columns={
        "data": ("data",),
        "annotations": ("annotations",),
        "prompt": ("data.prompt", "data.question", "data.instruction", "data.text", "data.messages"),
    },
    optional={"left": (), "right": ()} | WEIGHTS,
    looks_right=looks_right,
    parse=parse,
    left_out="unlabelled tasks",
)
