"""One line an event, and whose it is."""

import asyncio
import json
import logging
import sys
from typing import Any

import pytest

from services.runtime import logs
from services.runtime.logs import JsonLines, TextLines, call_fields, during, fields, identify, note, outgoing


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_process", {})


def record(message: str = "it", error: Any = None) -> logging.LogRecord:
    return logging.getLogger("x").makeRecord("x", logging.ERROR, "f", 1, "got %s", (message,), error)


def line(message: str = "it") -> dict[str, Any]:
    return json.loads(JsonLines().format(record(message)))


def test_a_json_log_line_holds_message_and_traceback() -> None:
    try:
        raise ValueError("of three\nlines\nhere")
    except ValueError:
        text = JsonLines().format(record(error=sys.exc_info()))
    entry = json.loads(text)
    assert "\n" not in text
    assert (entry["message"], entry["level"], entry["logger"]) == ("got it", "ERROR", "x")
    assert "of three" in entry["traceback"]


def test_a_line_says_whose_it_is() -> None:
    identify(service="worker", run="run-1", attempt=2)
    with during(request_id="r"):
        note(model_version="m@1.0-a")
        with during(seconds=1.5):
            found = line()
        assert "seconds" not in line()
    wanted = {"service": "worker", "run": "run-1", "attempt": 2, "request_id": "r", "model_version": "m@1.0-a"}
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["seconds"] == 1.5
    assert "request_id" not in line()


async def test_calls_at_the_same_time_do_not_mix_their_fields() -> None:
    async def call(number: int) -> dict[str, Any]:
        with during(request_id=number):
            await asyncio.sleep(0)
            note(model_version=f"m@{number}")
            await asyncio.sleep(0)
            return fields()

    assert await asyncio.gather(*map(call, range(3))) == [
        {"request_id": n, "model_version": f"m@{n}"} for n in range(3)
    ]


def test_what_a_caller_says_of_itself_is_cut_and_chosen() -> None:
    found = call_fields(
        {"rlhf-run": "run-1", "rlhf-step": "x" * 1000, "x-request-id": "mine", "authorization": "s3cret"}
    )
    assert found == {"run": "run-1", "step": "x" * logs.MAX_HEADER_CHARS, "request_id": "mine"}
    assert len(call_fields({})["request_id"]) == 16


def test_what_a_process_calls_learns_whose_call_it_is() -> None:
    identify(run="run-1", attempt=2, step=7, stage="ppo")
    metadata = dict(outgoing())
    assert call_fields(metadata) == {
        "run": "run-1",
        "attempt": "2",
        "step": "7",
        "request_id": metadata["x-request-id"],
    }
    assert dict(outgoing())["x-request-id"] != metadata["x-request-id"]


def test_lines_for_people_carry_the_fields_of_the_call_alone() -> None:
    identify(run="run-1")
    with during(request_id="r"):
        text = TextLines("rank 1").format(record())
    assert text.endswith("ERROR rank 1 x got it  request_id=r")
