"""One answer of one rater, as it is stored: written once, never changed."""

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from services.feedback.answers import Answer, answer_from_json, answer_to_json

MAX_NOTE, MAX_REASON = 4_000, 500  # characters
MAX_MILLISECONDS = 24 * 3600 * 1000
FIRST_TIME, REPEAT = 0, 1  # occasions on which a rater sees an item


@dataclass(frozen=True)
class Judgement:
    id: str
    rater: str
    number: int  # counts what the rater did in the campaign, from 1
    at: float  # unix seconds
    item: str
    occasion: int
    order: tuple[int, ...]  # order[position]: the response of the item that stood there
    answer: Answer
    note: str = ""
    milliseconds: int = 0
    guidelines_version: int = 1
    request_digest: str = ""  # of what was asked; the same request may come twice

    def to_json(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "answer": answer_to_json(self.answer)}


def judgement_from_json(values: dict[str, Any]) -> Judgement:
    answer, order = answer_from_json(values["answer"]), tuple(values["order"])
    return Judgement(**{**values, "answer": answer, "order": order})


def judgement_id(rater: str, request_id: str) -> str:
    """The same for the same request, so that asking twice writes one object."""
    return hashlib.sha256(f"{rater}\0{request_id}".encode()).hexdigest()[:32]


def digest_of(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, default=repr, sort_keys=True).encode()).hexdigest()
