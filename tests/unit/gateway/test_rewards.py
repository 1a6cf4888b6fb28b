"""Rewards as OpenRLHF, verl and search applications ask for them: their bodies, word for word."""

import asyncio
import math

import aiohttp
import pytest
import requests

from services.language_model.loading import load_tokenizer
from services.simulator.base_model import WEIGHTS
from tests.unit.gateway.town import TOKEN, Town

PROMPT, GOOD, BAD = "How do I make tea?", "Boil fresh water and pour it over the leaves.", "No."
TOKENIZER = load_tokenizer(WEIGHTS)


def post(town: Town, path: str, body: object, name: str = "shop", **how) -> requests.Response:
    headers = {"Authorization": f"Bearer {TOKEN[name]}"}
    return requests.post(f"{town.url}{path}", json=body, headers=headers, timeout=60, **how)


def whole(answer: str) -> str:
    """Prompt and response as the policy's tokens decode with special tokens in them."""
    messages = [{"role": "user", "content": PROMPT}]
    opening = TOKENIZER.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return f"{opening}{answer}{TOKENIZER.eos_token}"


@pytest.fixture(scope="module")
def expected(town: Town) -> list:
    with town.client() as client:
        return client.reward.score([(PROMPT, GOOD), (PROMPT, BAD)])


async def ask_as_openrlhf(url: str, query: list[str], prompts: list[str], labels: list) -> dict:
    """What its single-turn executor does for one sample, but for the five attempts."""
    payload = {"query": query, "prompts": prompts, "labels": labels}
    timeout = aiohttp.ClientTimeout(total=180)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, json=payload) as response:
        response.raise_for_status()
        return await response.json()


def with_token(url: str) -> str:
    """The one way that a client has which takes an address and nothing else."""
    return url.replace("http://", f"http://openrlhf:{TOKEN['shop']}@")


def test_openrlhf_gets_rewards_scores_and_logs(town: Town, expected) -> None:
    url = f"{with_token(town.url)}/get_reward?model=judge"
    found = asyncio.run(ask_as_openrlhf(url, [whole(GOOD)], [PROMPT], [None]))
    assert found["rewards"] == [pytest.approx(expected[0].normalized, abs=1e-4)]
    assert found["extra_logs"] == {"raw_reward": [pytest.approx(expected[0].raw, abs=1e-4)]}
    assert found["scores"] == [pytest.approx(1 / (1 + math.exp(-expected[0].normalized)), abs=1e-4)]


def test_openrlhf_gets_an_answer_to_no_samples(town: Town) -> None:
    found = asyncio.run(ask_as_openrlhf(f"{with_token(town.url)}/get_reward", [], [], []))
    assert found == {"rewards": [], "scores": [], "extra_logs": {"raw_reward": []}}


def test_sixty_four_at_once_are_scored_together(town: Town) -> None:
    """One sample a call, as its executors send them: the reward service makes batches of what waits."""

    async def all_at_once() -> list[dict]:
        url = f"{with_token(town.url)}/get_reward"
        calls = (ask_as_openrlhf(url, [whole(f"{GOOD} {i}")], [PROMPT], [None]) for i in range(64))
        return await asyncio.gather(*calls)

    before = batches(town)
    found = asyncio.run(all_at_once())
    assert len({answer["rewards"][0] for answer in found}) > 32
    items, count = (after - earlier for after, earlier in zip(batches(town), before))
    assert items == 64
    assert count <= 24, f"{count} batches for 64 samples"


def batches(town: Town) -> tuple[float, float]:
    """(items, batches) that the reward service has computed."""
    samples = [s for metric in town.reward_registry.collect() for s in metric.samples if "batch_size" in s.name]
    return tuple(sum(s.value for s in samples if s.name.endswith(end)) for end in ("_sum", "_count"))  # type: ignore


@pytest.mark.parametrize("switch", ["use_activation", "activation"])
def test_verl_gets_the_raw_logit(town: Town, expected, switch: str) -> None:
    """Its prompt ends with the template's own end, and a beginning token is cut off as vLLM adds one."""
    payload = {"model": "judge", "input": whole(GOOD), switch: False}
    output = post(town, "/classify", payload).json()
    assert output["data"][-1]["probs"][-1] == pytest.approx(expected[0].raw, abs=1e-4)


def test_classify_gives_probabilities_unless_told_otherwise(town: Town, expected) -> None:
    data = post(town, "/classify", {"input": [whole(GOOD), whole(BAD)]}).json()["data"]
    assert [entry["index"] for entry in data] == [0, 1]
    assert [entry["probs"][0] for entry in data] == pytest.approx(
        [1 / (1 + math.exp(-score.raw)) for score in expected], abs=1e-4
    )
    assert (data[0]["label"], data[0]["num_classes"]) == ("LABEL_0", 1)


def test_classify_takes_messages_that_end_with_the_answer(town: Town, expected) -> None:
    messages = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": GOOD}]
    (entry,) = post(town, "/classify", {"messages": messages, "use_activation": False}).json()["data"]
    assert entry["probs"] == [pytest.approx(expected[0].raw, abs=1e-4)]
    assert entry["normalized"] == pytest.approx(expected[0].normalized, abs=1e-4)
    refused = post(town, "/classify", {"messages": messages[::-1]})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "messages[-1].role"


def test_rerank_sorts_documents(town: Town, expected) -> None:
    documents = [BAD, {"text": GOOD}, "I do not know."]
    found = post(town, "/v1/rerank", {"model": "judge", "query": PROMPT, "documents": documents, "top_n": 2}).json()
    scores = [result["relevance_score"] for result in found["results"]]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    first = found["results"][0]
    assert first["document"]["text"] == (documents[first["index"]] if first["index"] != 1 else GOOD)


def test_a_text_without_a_score_is_an_error_and_no_number(town: Town) -> None:
    long = post(town, "/get_reward", {"query": ["tea " * 5000]})
    assert long.status_code == 422
    assert "query[0]" in long.json()["error"]["message"]
    found = post(town, "/v1/rerank", {"query": PROMPT, "documents": [GOOD, "tea " * 5000]}).json()
    assert [result["index"] for result in found["results"]] == [0]
    assert [failure["index"] for failure in found["failed"]] == [1]


def test_the_best_of_n_is_the_one_with_the_highest_reward(town: Town) -> None:
    body = {"model": "base", "messages": [{"role": "user", "content": PROMPT}], "n": 4, "max_tokens": 12, "seed": 5}
    found = post(town, "/v1/best_of_n", body).json()
    rewards = [choice["reward"]["normalized"] for choice in found["choices"]]
    assert rewards == sorted(rewards, reverse=True)
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2, 3]
    with town.client() as client:
        (score,) = client.reward.score([(PROMPT, found["choices"][0]["message"]["content"])])
    assert rewards[0] == pytest.approx(score.normalized, abs=1e-4)
