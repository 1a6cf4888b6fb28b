"""The shapes of well-known preference sets: UltraFeedback-binarized, HelpSteer3, OpenAI, OpenRLHF."""

import pytest

from services.data import Comparison, Message, read
from services.runtime.errors import InvalidInput

PROMPT = (Message("user", "Where is Turin?"),)


def turns(answer: str) -> list[dict[str, str]]:
    return [{"content": "Where is Turin?", "role": "user"}, {"content": answer, "role": "assistant"}]


def ultrafeedback(score: float) -> dict:
    return {
        "prompt": "Where is Turin?",
        "prompt_id": "5f",
        "chosen": turns("In Piedmont."),
        "rejected": turns("In Spain."),
        "messages": turns("In Piedmont."),
        "score_chosen": 8.0,
        "score_rejected": score,
    }


def test_ultrafeedback_and_its_ties(jsonl) -> None:
    result = read(jsonl(ultrafeedback(3.5), ultrafeedback(8.0)))
    assert result.detected_format == "UltraFeedback-binarized"
    assert result.records == [Comparison(PROMPT, "In Piedmont.", "In Spain.")]
    assert result.counts == {"rows": 2, "records": 1, "ties": 1, "bad": 0}


def helpsteer(preference: object) -> dict:
    return {
        "domain": "general",
        "language": "english",
        "context": [{"role": "user", "content": "Where is Turin?"}],
        "response1": "In Piedmont.",
        "response2": "In Spain.",
        "overall_preference": preference,
        "individual_preference": [{"score": preference, "reasoning": "…"}],
    }


def test_helpsteer_negative_prefers_the_first_response(jsonl) -> None:
    result = read(jsonl(helpsteer(-3), helpsteer(1), helpsteer(0)))
    assert result.detected_format == "HelpSteer3 preference"
    assert result.records == [
        Comparison(PROMPT, "In Piedmont.", "In Spain.", margin=3.0),
        Comparison(PROMPT, "In Spain.", "In Piedmont.", margin=1.0),
    ]
    assert result.counts["ties"] == 1


def test_helpsteer_preference_out_of_range(jsonl) -> None:
    with pytest.raises(InvalidInput, match="overall_preference: got 5, expected a number from -3 to 3"):
        read(jsonl(helpsteer(5)))


def test_openai_preference(jsonl) -> None:
    row = {
        "input": {"messages": turns("")[:1], "tools": [], "parallel_tool_calls": True},
        "preferred_output": [{"role": "assistant", "content": [{"type": "text", "text": "In Piedmont."}]}],
        "non_preferred_output": turns("In Spain.")[1:],
    }
    result = read(jsonl(row))
    assert result.detected_format == "OpenAI preference"
    assert result.mapping["messages"] == "input.messages"
    assert result.records == [Comparison(PROMPT, "In Piedmont.", "In Spain.")]


def test_openrlhf_margin(jsonl) -> None:
    result = read(jsonl({"prompt": "Where is Turin?", "chosen": "In Piedmont.", "rejected": "In Spain.", "margin": 2}))
    assert result.detected_format == "OpenRLHF margin"
    assert result.records == [Comparison(PROMPT, "In Piedmont.", "In Spain.", margin=2.0)]
