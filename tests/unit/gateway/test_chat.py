"""As the `openai` package sends it, and reads it."""

import http.client
import json

import openai
import pytest

from tests.conftest import wait_until
from tests.unit.gateway.town import TOKEN, Town

MESSAGES = [{"role": "user", "content": "How do I make tea?"}]


def ask(client: openai.OpenAI, **fields):
    given = {"model": "policy/default", "messages": MESSAGES, "max_tokens": 12, "seed": 3}
    return client.chat.completions.create(**{**given, **fields})


def test_an_answer_says_who_made_it_and_how_long_it_is(assistant: openai.OpenAI, town: Town) -> None:
    answer = ask(assistant)
    with town.client() as client:
        (rollout,) = client.policy.generate([MESSAGES], max_new_tokens=12, seed=3)
    (choice,) = answer.choices
    assert choice.message.content == rollout.text
    assert choice.finish_reason == rollout.finish_reason
    assert answer.usage is not None
    assert answer.usage.completion_tokens == len(rollout.response_ids)
    assert answer.usage.prompt_tokens == len(rollout.prompt_ids)
    assert answer.model == str(rollout.model_version)


def test_a_stream_brings_the_same_text_in_pieces(assistant: openai.OpenAI) -> None:
    whole = ask(assistant)
    chunks = list(ask(assistant, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > 4


def test_several_choices_differ_and_a_seed_repeats_them(assistant: openai.OpenAI) -> None:
    first, again = ask(assistant, n=4), ask(assistant, n=4)
    texts = [choice.message.content for choice in first.choices]
    assert len(set(texts)) > 1
    assert texts == [choice.message.content for choice in again.choices]


def test_without_a_seed_an_answer_is_drawn_anew(assistant: openai.OpenAI) -> None:
    texts = {ask(assistant, seed=None, max_tokens=24).choices[0].message.content for _ in range(4)}
    assert len(texts) > 1


def test_content_parts_and_developers_are_understood(assistant: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "How do I "}, {"type": "text", "text": "make tea?"}]
    plain = ask(assistant, messages=[{"role": "system", "content": "Be brief."}, *MESSAGES])
    given = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    assert ask(assistant, messages=given).choices[0].message.content == plain.choices[0].message.content


def test_models_are_listed_by_alias_and_name(assistant: openai.OpenAI) -> None:
    listed = {model.id: model for model in assistant.models.list()}
    assert {"policy/default", "reward/default", "base", "judge"} <= listed.keys()
    assert assistant.models.retrieve("policy/default").model_dump()["kind"] == "policy"
    assert listed["judge"].model_dump()["kind"] == "reward"
    with pytest.raises(openai.NotFoundError, match="nobody"):
        assistant.models.retrieve("nobody")


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"temperature": -1}, "temperature", "got -1, expected greater than or equal to 0"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "got 3, expected a valid string"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role", "'user'"),
        ({"tools": []}, "tools", "an unknown field, expected one of"),
        ({"n": 2, "stream": True}, "n", "expected 1 where the answer is streamed"),
        ({"extra_body": {"max_tokens": "many"}}, "max_tokens", "got 'many', expected a valid integer"),
    ],
)
def test_what_is_wrong_is_named(assistant: openai.OpenAI, fields, param: str, words: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(assistant, **fields)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert words in caught.value.message


def test_an_unknown_model_is_not_found_streamed_or_not(assistant: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.NotFoundError, match="nobody"):
            ask(assistant, model="nobody", stream=stream)


def test_who_may_not_is_told_so(town: Town) -> None:
    with pytest.raises(openai.AuthenticationError, match="not known"):
        ask(openai.OpenAI(base_url=f"{town.url}/v1", api_key="wrong", max_retries=0))
    with pytest.raises(openai.PermissionDeniedError, match="anna is annotator"):
        ask(openai.OpenAI(base_url=f"{town.url}/v1", api_key=TOKEN["anna"], max_retries=0))


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_more_is_written_for_a_client_that_hung_up(town: Town, stream: bool) -> None:
    def policy(metric: str) -> float:
        return town.policy_registry.get_sample_value(f"rlhf_policy_{metric}", {"model_name": "base"}) or 0.0

    seed = of_a_long_answer(town)
    written = policy("generation_tokens_total")
    body = {"model": "base", "messages": MESSAGES, "n": 1 if stream else 16, "temperature": 2, "seed": seed}
    line = http.client.HTTPConnection(town.url.removeprefix("http://"))
    headers = {"Authorization": f"Bearer {TOKEN['shop']}", "Content-Type": "application/json"}
    line.request("POST", "/v1/chat/completions", json.dumps(body | {"max_tokens": 400, "stream": stream}), headers)
    wait_until(lambda: policy("num_requests_running") > 0, seconds=60)
    line.close()
    wait_until(lambda: policy("num_requests_running") == 0, seconds=60)
    assert policy("generation_tokens_total") == written, "tokens are counted with an answer that is whole"


def of_a_long_answer(town: Town) -> int:
    """A seed: of another, the answer may be whole before the client has hung up."""
    with town.client("shop") as client:
        for seed in range(60):
            how = {"temperature": 2.0, "max_new_tokens": 200, "seed": seed}
            if client.policy.generate([MESSAGES], model="base", **how)[0].finish_reason == "length":
                return seed
    raise AssertionError("every answer is short")


def test_what_fails_behind_the_gateway_says_nothing_of_what_is_there(town: Town) -> None:
    with town.gateway(policy="127.0.0.1:1") as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN["shop"], max_retries=0)
        with pytest.raises(openai.InternalServerError, match="cannot be reached") as caught:
            ask(client)
    assert "127.0.0.1" not in str(caught.value)
