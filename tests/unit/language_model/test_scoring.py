from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from services.language_model.chat import Message
from services.language_model.loading import load_reward, save
from services.language_model.log_probs import pad_right
from services.language_model.scoring import encode_for_reward, is_encoder, raw_scores, token_scores

from .small_models import DECODERS, ENCODERS, adds_bos, byte_level, random_ids, reward, word_piece

# The pad id 2 occurs inside; plain transformers searches for it, so no sequence ends with it here.
SEQUENCES = [[*ids, 7] for ids in random_ids(6, 1, 20)]


@pytest.mark.parametrize("family", [*DECODERS, *ENCODERS])
def test_scores_equal_plain_transformers_one_by_one_after_saving(family: str, tmp_path: Path) -> None:
    model = ENCODERS[family]() if family in ENCODERS else reward(family)
    save(model, word_piece() if family in ENCODERS else byte_level(), tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        want = [plain(torch.tensor([ids])).logits.item() for ids in SEQUENCES]
        got = raw_scores(load_reward(tmp_path), SEQUENCES, pad_id=2)
    assert max(want) - min(want) > 0.05
    torch.testing.assert_close(got, torch.tensor(want), atol=1e-4, rtol=0)


def test_sequence_that_ends_with_the_pad_id_is_scored_there() -> None:
    model = reward("llama")
    model.config.pad_token_id = None  # so that plain transformers takes the last token, whatever it is
    ids = [5, 6, 2, 2]
    with torch.no_grad():
        want = model(torch.tensor([ids])).logits.item()
        got = raw_scores(model, [ids, list(range(3, 20))], pad_id=2)
    assert got[0].item() == pytest.approx(want, abs=1e-4)


def test_token_scores_are_causal_and_end_in_the_raw_score() -> None:
    model = reward("llama")
    ids_BT, mask_BT = pad_right(SEQUENCES, 2)
    with torch.no_grad():
        values_BT = token_scores(model, ids_BT)
        last = values_BT[torch.arange(len(SEQUENCES)), mask_BT.sum(1) - 1]
        torch.testing.assert_close(last, raw_scores(model, SEQUENCES, 2))
        changed_BT = ids_BT.clone()
        changed_BT[:, 1] = 9
        assert torch.equal(token_scores(model, changed_BT)[:, 0], values_BT[:, 0])


@pytest.mark.parametrize("family", ["llama", *ENCODERS])
def test_scores_carry_gradients(family: str) -> None:
    model = ENCODERS[family]() if family in ENCODERS else reward(family)
    raw_scores(model, SEQUENCES, 2).sum().backward()
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0
    assert is_encoder(model) == (family in ENCODERS)


def test_decoder_input_is_the_policy_s_prompt_and_a_finished_response() -> None:
    tokenizer = adds_bos()
    ids = encode_for_reward(tokenizer, [Message("user", "Boil an egg?")], "Ten minutes.")
    assert tokenizer.decode(ids) == "<s>Human: Boil an egg?\n\nAssistant:\nTen minutes.</s>"


def test_encoder_input_is_a_pair() -> None:
    tokenizer = word_piece()
    ids = encode_for_reward(tokenizer, [Message("user", "The cat sat")], "on the mat.")
    assert ids == tokenizer("The cat sat", "on the mat.").input_ids
    two = encode_for_reward(tokenizer, [Message("user", "The cat"), Message("assistant", "sat")], "on the mat.")
    assert two == tokenizer("user: The cat\n\nassistant: sat", "on the mat.").input_ids
