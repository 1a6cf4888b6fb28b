"""What is found out about a model folder, in this process; test_catalog_servicer goes through the real one."""

import json
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from services.language_model.loading import load_causal, load_tokenizer, save
from services.language_model.tokens import chat_template_digest, prepare_tokenizer, tokenizer_digest
from services.runtime.errors import InvalidInput
from services.trainer.inspection import inspect, look
from tests.unit.language_model.small_models import DECODERS, bert, byte_level, causal, reward, word_piece


@pytest.mark.parametrize("family", DECODERS)
def test_every_family_is_known_by_its_architecture(family: str, tmp_path: Path) -> None:
    save(causal(family), byte_level(pad_token="<s>"), tmp_path)
    found = look(tmp_path)
    assert found.architecture == type(causal(family)).__name__
    assert found.tokenizer_digest == found.prepared_tokenizer_digest == tokenizer_digest(load_tokenizer(tmp_path))
    assert found.chat_template_digest == chat_template_digest(load_tokenizer(tmp_path))


def test_a_tokenizer_without_a_pad_token_is_known_as_training_will_leave_it(tmp_path: Path) -> None:
    save(causal("gpt2"), byte_level(), tmp_path)
    found = look(tmp_path)
    model, tokenizer = load_causal(tmp_path), load_tokenizer(tmp_path)
    assert found.tokenizer_digest == tokenizer_digest(tokenizer)
    prepare_tokenizer(tokenizer, model)
    assert found.prepared_tokenizer_digest == tokenizer_digest(tokenizer) != found.tokenizer_digest


@pytest.mark.parametrize(
    ("model", "tokenizer"), [(reward("llama"), byte_level(pad_token="<s>")), (bert(), word_piece())]
)
def test_reward_models_are_decoders_or_encoders(model, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    save(model, tokenizer, tmp_path)
    assert look(tmp_path).architecture == type(model).__name__


def change_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def test_a_reward_model_has_one_label(tmp_path: Path) -> None:
    save(reward("llama"), byte_level(pad_token="<s>"), tmp_path)
    change_config(tmp_path, id2label={"0": "bad", "1": "good"}, label2id={"bad": 0, "good": 1})
    with pytest.raises(InvalidInput, match=r"config\.json: got 2 labels, expected 1 label, for a reward model"):
        look(tmp_path)


def test_a_language_model_whose_responses_cannot_end_is_refused(tmp_path: Path) -> None:
    save(causal("llama"), byte_level(pad_token="<s>"), tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(InvalidInput, match=r"tokenizer\.eos_token: got none, expected a token that ends a response"):
        look(tmp_path)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    save(causal("llama"), byte_level(pad_token="<s>"), tmp_path)
    change_config(tmp_path, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModel": "own.Model"})
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InvalidInput, match=r"config\.json"):
        look(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_none_are_named_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(InvalidInput, match=r"model\.safetensors: got .*, expected a safetensors file"):
        inspect(tmp_path)
