import math

import pytest
import rlhf

from .scripted_server import Script


def test_generate_asks_and_answers_in_plain_values(client: rlhf.Client, script: Script) -> None:
    version = rlhf.ModelVersion("sft", "1.3-aa", "d1")
    rollouts = client.policy.generate(
        ["one", "two"], model=version, samples_per_prompt=2, max_new_tokens=8, temperature=0.0, stop="\n", seed=7
    )
    (request,) = script.requests["Generate"]
    assert request.model == "sft@1.3-aa"
    assert request.sampling.HasField("temperature")
    assert (request.sampling.temperature, request.sampling.max_new_tokens, request.sampling.seed) == (0.0, 8, 7)
    assert list(request.sampling.stop) == ["\n"]
    assert [(r.prompt_index, r.sample_index) for r in rollouts] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert rollouts[0] == rlhf.Rollout("answer 0.0", 0, 0, [1, 2], [3, 4], [-0.5, -0.25], "stop", version)


@pytest.mark.parametrize(
    ("prompts", "forms"),
    [
        ("why?", ["text"]),
        ([5, 6], ["token_ids"]),
        ([{"role": "user", "content": "why?"}], ["conversation"]),
        (["a", [5], [{"role": "user", "content": "b"}]], ["text", "token_ids", "conversation"]),
    ],
)
def test_prompts_may_have_any_form(client: rlhf.Client, script: Script, prompts, forms: list[str]) -> None:
    assert len(client.policy.generate(prompts)) == len(forms)
    assert [prompt.WhichOneof("form") for prompt in script.requests["Generate"][0].prompts] == forms


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "prompts: got none"),
        (["a", 3.5], r"prompts\[1\]: got float 3.5"),
        ([[{"role": "robot", "content": "b"}]], "expected .*system, user, assistant"),
        ([[{"content": "b"}]], r"prompts\[0\]: got the message"),
    ],
)
def test_bad_prompts_are_refused_before_anything_is_sent(
    client: rlhf.Client, script: Script, prompts, message: str
) -> None:
    with pytest.raises(rlhf.InvalidInputError, match=message):
        client.policy.generate(prompts)
    assert not script.calls("Generate")


def test_stream_ends_with_the_whole_rollout(client: rlhf.Client) -> None:
    pieces = list(client.policy.stream([{"role": "user", "content": "b"}]))
    assert "".join(piece.text for piece in pieces) == "answer 0.0"
    assert pieces[0].rollout is None
    assert pieces[-1].rollout
    assert math.isclose(pieces[-1].rollout.log_probs[0], -0.5)
