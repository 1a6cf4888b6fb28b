"""Reward models as the functions that other frameworks call, in the shapes that these call them with."""

import pytest
import rlhf
from rlhf import verl

from .scripted_server import Script


def test_a_plain_function(client: rlhf.Client) -> None:
    reward = rlhf.as_reward_function(client, "judge")
    assert reward("why", "fine") == 3.0
    assert reward([{"role": "user", "content": "why"}], "fine") == 3.0
    with pytest.raises(rlhf.RlhfError, match="a response has no score: empty response"):
        reward("why", "")


def test_trl_with_a_standard_dataset(client: rlhf.Client) -> None:
    """GRPO also passes ids, every other column and its own state."""
    reward = rlhf.as_trl_reward(client, "judge")
    found = reward(prompts=["p", "p"], completions=["a", "ccc"], completion_ids=[[1], [2]], topic=["x", "y"])
    assert found == [0.0, 2.0]
    assert reward.__name__ == "rlhf_judge"


def test_trl_with_a_conversational_dataset(client: rlhf.Client, script: Script) -> None:
    prompt = [{"role": "system", "content": "s", "name": None}, {"role": "user", "content": "why"}]
    completion = [{"role": "assistant", "content": "good"}]
    assert rlhf.as_trl_reward(client, "judge")(prompts=[prompt], completions=[completion]) == [3.0]
    sent = script.requests["Score"][0].items[0]
    assert [message.role for message in sent.prompt.conversation.messages] == ["system", "user"]
    assert sent.response.text == "good"


def test_large_batches_go_in_parts_and_come_back_in_order(client: rlhf.Client, script: Script) -> None:
    completions = ["x" * (1 + n % 7) for n in range(600)]
    found = rlhf.as_trl_reward(client, ["rm@1", "rm@2"])(prompts=["p"] * 600, completions=completions)
    assert found == [float(len(text) - 1) for text in completions]
    assert [len(request.items) for request in script.requests["Score"]] == [256, 256, 88]


def test_a_failed_score_is_never_a_number(client: rlhf.Client) -> None:
    with pytest.raises(rlhf.RlhfError, match="empty response"):
        rlhf.as_trl_reward(client, "judge")(prompts=["p", "p"], completions=["a", ""])


def test_verl_calls_by_keyword_with_the_prompt_in_extra_info(environment: str, script: Script) -> None:
    verl._client.cache_clear()
    arguments = {"data_source": "mine", "solution_str": "fine", "ground_truth": "", "model": "judge"}
    assert verl.compute_score(**arguments, extra_info={"question": "why", "index": 3, "split": "train"}) == 3.0
    assert list(script.requests["Score"][0].models) == ["judge"]
    for extra in (None, {"index": 3}):
        with pytest.raises(rlhf.InvalidInputError, match="expected prompt or question"):
            verl.compute_score(**arguments, extra_info=extra)
    verl._client.cache_clear()


def test_best_of_n_is_what_the_reward_model_likes_most(client: rlhf.Client, script: Script) -> None:
    found = client.best_of_n("why", 3, policy="sft", reward="judge", max_new_tokens=8, temperature=0.7, seed=5)
    asked, ranked = script.requests["Generate"][0], script.requests["Rank"][0]
    assert (asked.model, asked.samples_per_prompt, asked.sampling.max_new_tokens, asked.sampling.seed) == (
        "sft",
        3,
        8,
        5,
    )
    assert list(ranked.models) == ["judge"]
    assert [response.text for response in ranked.responses] == ["answer 0.0", "answer 0.1", "answer 0.2"]
    assert found.text == found.ranked[0].response
    assert len(found.ranked) == 3


async def test_best_of_n_reads_alike_for_asyncio(address: str) -> None:
    async with rlhf.AsyncClient(policy=address, reward=address) as client:
        assert (await client.best_of_n("why", 2, policy="sft", reward="judge")).text == "answer 0.0"
