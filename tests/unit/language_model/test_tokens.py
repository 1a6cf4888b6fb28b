from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from services.language_model.loading import load_causal, save
from services.language_model.tokens import chat_template_digest, prepare_tokenizer, tokenizer_digest
from services.runtime.errors import InvalidInput

from .small_models import DECODERS, bert, byte_level, causal, word_piece


def test_digests_survive_saving_and_calls(tmp_path: Path) -> None:
    tokenizer = byte_level()
    digests = tokenizer_digest(tokenizer), chat_template_digest(tokenizer)
    tokenizer.pad_token = "</s>"
    padded = tokenizer_digest(tokenizer)
    tokenizer(["a", "a cat"], padding=True)
    assert tokenizer_digest(tokenizer) == padded != digests[0]
    byte_level().save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (tokenizer_digest(loaded), chat_template_digest(loaded)) == digests


def test_digests_tell_vocabularies_and_templates_apart() -> None:
    one, other = byte_level(), byte_level()
    other.add_tokens(["<new>"])
    assert tokenizer_digest(one) != tokenizer_digest(other)
    other.chat_template = "{{ messages[0]['content'] }}"
    assert chat_template_digest(one) != chat_template_digest(other)


@pytest.mark.parametrize("family", DECODERS)
def test_one_mean_row_is_added_where_no_special_token_is_spare(family: str) -> None:
    tokenizer = byte_level(pad_token="</s>")
    model = causal(family)
    size = len(tokenizer)
    model.resize_token_embeddings(size)
    before = model.get_output_embeddings().weight.detach().clone()
    prepare_tokenizer(tokenizer, model)
    assert tokenizer.pad_token_id == model.config.pad_token_id == size
    assert tokenizer.eos_token_id == model.config.eos_token_id == 1
    for table in (model.get_input_embeddings(), model.get_output_embeddings()):
        assert table.weight.shape[0] == size + 1 == model.config.vocab_size
        torch.testing.assert_close(table.weight[-1], table.weight[:-1].mean(0))
    assert torch.equal(model.get_output_embeddings().weight[:-1], before)


def test_spare_row_of_a_padded_vocabulary_is_enough() -> None:
    model = causal("llama")  # 300 rows
    tokenizer = byte_level()
    prepare_tokenizer(tokenizer, model)
    assert tokenizer.pad_token_id == len(tokenizer) - 1 < 300
    assert model.get_input_embeddings().num_embeddings == 300


def test_unused_special_token_is_taken_before_one_is_added() -> None:
    tokenizer = byte_level()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>", "<|reserved_0|>"]})
    size = len(tokenizer)
    prepare_tokenizer(tokenizer, causal("llama"))
    assert tokenizer.pad_token == "<|reserved_0|>"
    assert len(tokenizer) == size


def test_good_tokenizer_stays_as_it_is() -> None:
    tokenizer = byte_level(pad_token="<s>")
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    digests = tokenizer_digest(tokenizer), chat_template_digest(tokenizer)
    prepare_tokenizer(tokenizer, causal("llama"))
    assert (tokenizer_digest(tokenizer), chat_template_digest(tokenizer)) == digests


def test_encoder_s_tokenizer_has_all_it_needs() -> None:
    tokenizer, model = word_piece(), bert()
    prepare_tokenizer(tokenizer, model)
    assert tokenizer.chat_template is None
    assert tokenizer.pad_token == "[PAD]"
    assert model.get_input_embeddings().num_embeddings == 300


def test_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = byte_level()
    tokenizer.eos_token = None
    with pytest.raises(InvalidInput, match="eos_token"):
        prepare_tokenizer(tokenizer, causal("llama"))


def test_prepared_pair_survives_saving(tmp_path: Path) -> None:
    tokenizer, model = byte_level(), causal("gpt2")
    model.resize_token_embeddings(len(tokenizer))
    prepare_tokenizer(tokenizer, model)
    save(model, tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.pad_token_id == tokenizer.pad_token_id != loaded.eos_token_id
    assert chat_template_digest(loaded) == chat_template_digest(tokenizer)
    ids = torch.tensor([[tokenizer.pad_token_id, 5]])
    with torch.no_grad():
        torch.testing.assert_close(load_causal(tmp_path)(ids).logits, model(ids).logits)
