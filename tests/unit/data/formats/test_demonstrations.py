"""Prompt-completion, chat messages and ShareGPT."""

import pytest

from services.data import Comparison, Demonstration, Message, read
from services.runtime.errors import InvalidInput

DEMONSTRATION = Demonstration((Message("user", "2+2?"),), "4")
USER, ASSISTANT = {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}
HUMAN, GPT = {"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"prompt": "2+2?", "completion": "4"}, "prompt-completion (strings)"),
        ({"prompt": "2+2?", "response": "4"}, "prompt-completion (strings)"),
        ({"prompt": [USER], "completion": [ASSISTANT]}, "prompt-completion (messages)"),
        ({"prompt": [USER], "completion": "4"}, "prompt-completion (messages and strings)"),
        ({"messages": [USER, ASSISTANT]}, "chat messages"),
        ({"id": "1", "conversations": [HUMAN, GPT]}, "ShareGPT"),
    ],
)
def test_one_demonstration_in_every_way_it_is_written(jsonl, row, name) -> None:
    result = read(jsonl(row))
    assert result.records == [DEMONSTRATION]
    assert (result.detected_format, result.record_type) == (name, "demonstration")


def test_sharegpt_system_prompt_and_last_answer(jsonl) -> None:
    row = {"system": "Be brief.", "conversations": [HUMAN, GPT, HUMAN, {"from": "gpt", "value": "Still 4"}]}
    (record,) = read(jsonl(row)).records
    assert [message.role for message in record.prompt] == ["system", "user", "assistant", "user"]
    assert record.response == "Still 4"


def test_sharegpt_preference(jsonl) -> None:
    result = read(jsonl({"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "5"}}))
    assert result.records == [Comparison(DEMONSTRATION.prompt, "4", "5")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "2+2?", "completion": " "}, "completion: got ' ', expected a text that is not empty"),
        ({"prompt": "2+2?", "completion": 4}, "completion: got 4, expected text"),
        ({"prompt": " ", "completion": "4"}, "prompt: got ' ', expected a text that is not empty"),
        ({"prompt": [], "completion": "4"}, r"prompt: got \[\], expected a list of messages"),
        (
            {"messages": [USER]},
            r"messages: got \['user'\], expected a conversation that ends with an assistant message",
        ),
        (
            {"messages": [{"role": "robot", "content": "x"}, ASSISTANT]},
            r"messages\[0\].role: got 'robot', expected one of",
        ),
        ({"messages": ["hello", ASSISTANT]}, r"messages\[0\]: got 'hello', expected a message"),
        ({"conversations": [HUMAN, {"from": "gpt"}]}, r"conversations\[1\].content: got nothing, expected text"),
        ({"prompt": "half \ud800", "completion": "4"}, "expected valid Unicode text"),
    ],
)
def test_what_is_wrong_is_named(jsonl, row, said) -> None:
    with pytest.raises(InvalidInput, match=f"rows.jsonl:1 {said}" if "expected valid" not in said else said):
        read(jsonl(row))
