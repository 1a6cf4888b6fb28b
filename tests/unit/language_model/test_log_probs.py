import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedModel

from services.language_model.log_probs import pad_right, response_log_probs

from .small_models import DECODERS, causal, random_ids

PROMPTS = random_ids(6, 1, 12, seed=1)
RESPONSES = random_ids(6, 1, 9, seed=2)
SPLIT = range(len(PROMPTS))


def plain(model: PreTrainedModel, prompt: list[int], response: list[int], temperature: float) -> torch.Tensor:
    """What anybody would write with transformers for one sequence."""
    logits_TV = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1].float()
    logprobs_TV = (logits_TV / temperature).log_softmax(-1)
    return logprobs_TV.gather(1, torch.tensor(response)[:, None])[:, 0]


def softcapped() -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Gemma2Config(
        **sizes, vocab_size=300, num_key_value_heads=2, head_dim=8, initializer_range=0.5, final_logit_softcapping=2.0
    )
    return Gemma2ForCausalLM._from_config(config, attn_implementation="eager").eval()


def test_pad_right_keeps_sequences_on_the_left() -> None:
    ids_BT, mask_BT = pad_right([[5, 0, 7], [0]], pad_id=0)
    assert ids_BT.tolist() == [[5, 0, 7], [0, 0, 0]]
    assert mask_BT.tolist() == [[True, True, True], [True, False, False]]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("family", [*DECODERS, "softcapped"])
def test_batched_equals_one_by_one_in_plain_transformers(family: str, temperature: float) -> None:
    model = softcapped() if family == "softcapped" else causal(family)
    with torch.no_grad():
        got = response_log_probs(model, PROMPTS, RESPONSES, temperature, pad_id=2)
        for b in SPLIT:
            want = plain(model, PROMPTS[b], RESPONSES[b], temperature)
            torch.testing.assert_close(got.logprobs_BR[b, got.mask_BR[b]], want, atol=1e-4, rtol=0)
    assert got.mask_BR.sum(1).tolist() == [len(response) for response in RESPONSES]
    assert got.logprobs_BR[~got.mask_BR].eq(0).all()


def test_gradients_equal_those_of_plain_transformers() -> None:
    model = causal("llama")
    response_log_probs(model, PROMPTS, RESPONSES, 0.7, pad_id=2).logprobs_BR.sum().backward()
    got = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    sum(plain(model, PROMPTS[b], RESPONSES[b], 0.7).sum() for b in SPLIT).backward()  # type: ignore[union-attr]
    for one, other in zip(got, (p.grad for p in model.parameters() if p.grad is not None), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_entropy_is_that_of_the_tempered_distribution_and_leaves_log_probs_alone() -> None:
    model = causal("llama")
    with torch.no_grad():
        got = response_log_probs(model, PROMPTS, RESPONSES, 0.7, pad_id=2, entropy=True)
        without = response_log_probs(model, PROMPTS, RESPONSES, 0.7, pad_id=2)
        logits_TV = model(torch.tensor([PROMPTS[0] + RESPONSES[0]])).logits[0, len(PROMPTS[0]) - 1 : -1]
    want = torch.distributions.Categorical(logits=logits_TV / 0.7).entropy()
    assert got.entropy_BR is not None
    assert without.entropy_BR is None
    torch.testing.assert_close(got.entropy_BR[0, got.mask_BR[0]], want, atol=1e-4, rtol=0)
    torch.testing.assert_close(got.logprobs_BR, without.logprobs_BR, atol=1e-5, rtol=0)


def test_empty_responses_have_no_log_probs() -> None:
    got = response_log_probs(causal("llama"), [[3, 4], [5]], [[], [6, 7]], 1.0, pad_id=2)
    assert got.mask_BR.tolist() == [[False, False], [True, True]]
    assert response_log_probs(causal("llama"), [[3]], [[]], 1.0, pad_id=2).logprobs_BR.shape == (1, 0)


def test_head_sees_response_positions_only() -> None:
    model = causal("llama")
    seen: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda _, args, __: seen.append(args[0].shape[0]))
    response_log_probs(model, PROMPTS, RESPONSES, 1.0, pad_id=2)
    assert seen == [sum(map(len, RESPONSES))]


def test_model_is_left_without_hooks() -> None:
    model = causal("llama")
    response_log_probs(model, PROMPTS, RESPONSES, 1.0, pad_id=2)
    assert model(torch.tensor([[3, 4]])).logits.shape == (1, 2, 300)
