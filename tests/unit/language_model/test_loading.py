import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertForMaskedLM

from services.language_model.loading import load_causal, load_reward, load_tokenizer, new_reward, save
from services.language_model.scoring import raw_scores
from services.runtime.errors import InvalidInput

from .small_models import DECODERS, adds_bos, bert, byte_level, causal, modern_bert, reward, word_piece

IDS = torch.tensor([[3, 4, 5, 6]])


@pytest.mark.parametrize("family", DECODERS)
def test_saved_folder_loads_in_plain_transformers_with_the_same_logits(family: str, tmp_path: Path) -> None:
    model, tokenizer = causal(family), byte_level()
    save(model, tokenizer, tmp_path)
    with torch.no_grad():
        want = model(IDS).logits
        torch.testing.assert_close(AutoModelForCausalLM.from_pretrained(tmp_path)(IDS).logits, want)
        torch.testing.assert_close(load_causal(tmp_path)(IDS).logits, want)
    assert AutoTokenizer.from_pretrained(tmp_path)("The cat").input_ids == tokenizer("The cat").input_ids
    assert list(tmp_path.glob("*.safetensors"))
    assert not list(tmp_path.glob("*.bin"))


def test_saves_a_model_published_with_a_lone_temperature(tmp_path: Path) -> None:
    model = causal("llama")
    assert model.generation_config is not None
    model.generation_config.temperature = 0.6
    save(model, byte_level(), tmp_path)
    assert json.loads((tmp_path / "generation_config.json").read_text())["temperature"] == 0.6


@pytest.mark.parametrize(("family", "field"), [("gpt2", "resid_pdrop"), ("llama", "attention_dropout")])
def test_dropout_is_off_unless_given(family: str, field: str, tmp_path: Path) -> None:
    model = causal(family)
    setattr(model.config, field, 0.3)
    save(model, byte_level(), tmp_path)
    assert getattr(load_causal(tmp_path).config, field) == 0
    assert getattr(load_causal(tmp_path, dropout=0.2).config, field) == 0.2
    assert not load_causal(tmp_path).training


def test_threads_that_load_at_once_get_tied_weights(tmp_path: Path) -> None:
    save(causal("gpt2"), byte_level(), tmp_path)
    with ThreadPoolExecutor(4) as threads:
        models = list(threads.map(load_causal, [tmp_path] * 12))
    for model in [*models, load_causal(tmp_path)]:
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_folder_without_safetensors_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    causal("llama").config.save_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(b"not read")
    with pytest.raises(InvalidInput, match=r"pickled with .*pytorch_model\.bin.*\*\.safetensors"):
        load_causal(folder)


def test_folder_without_a_known_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"model: .*config\.json"):
        load_causal(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "brand-new"}')
    with pytest.raises(InvalidInput, match="brand-new"):
        load_causal(tmp_path)


def test_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="tokenizer"):
        load_tokenizer(tmp_path)


def test_language_model_is_no_reward_model_until_trained(tmp_path: Path) -> None:
    save(causal("llama"), byte_level(), tmp_path)
    with pytest.raises(InvalidInput, match="2 labels"):
        load_reward(tmp_path)
    model = causal("llama")
    model.config.num_labels = 1
    save(model, byte_level(), tmp_path)
    with pytest.raises(InvalidInput, match=r"score\.weight"):
        load_reward(tmp_path)


def test_reward_model_is_no_language_model(tmp_path: Path) -> None:
    save(reward("llama"), byte_level(), tmp_path)
    with pytest.raises(InvalidInput, match=r"lm_head\.weight"):
        load_causal(tmp_path)


@pytest.mark.parametrize("family", DECODERS)
def test_new_reward_model_keeps_the_body_and_draws_the_head_from_the_seed(family: str, tmp_path: Path) -> None:
    base = causal(family)
    save(base, adds_bos(), tmp_path)
    one, same, other = (new_reward(tmp_path, seed) for seed in (1, 1, 2))
    body = {name: tensor for name, tensor in one.base_model.state_dict().items()}
    for name, tensor in base.base_model.state_dict().items():
        assert torch.equal(body[name], tensor)
    head = one.get_parameter("score.weight")
    assert head.shape == (1, 32)
    assert torch.equal(head, same.get_parameter("score.weight"))
    assert not torch.equal(head, other.get_parameter("score.weight"))
    assert 0.3 < float(head.detach().std()) * 33**0.5 < 1.7


def test_reward_offset_survives_a_round_trip(tmp_path: Path) -> None:
    save(causal("llama"), byte_level(), tmp_path / "base")
    model = new_reward(tmp_path / "base", seed=0)
    assert model.config.reward_offset == 0
    model.config.reward_offset = 1.25
    save(model, byte_level(), tmp_path / "reward")
    assert load_reward(tmp_path / "reward").config.reward_offset == 1.25


def test_the_head_of_a_bare_encoder_is_drawn_and_its_norm_lets_scores_through(tmp_path: Path) -> None:
    save(modern_bert().base_model, word_piece(), tmp_path)
    model = new_reward(tmp_path, seed=0)
    assert model.head.norm.weight.eq(1).all()
    assert model.classifier.bias.eq(0).all()
    with torch.no_grad():
        scores = raw_scores(model, [[1, 5, 2], [1, 9, 8, 2]], pad_id=0)
    assert scores[0] != scores[1]


def test_encoder_with_a_language_head_becomes_a_reward_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = BertForMaskedLM(bert().config)
    save(base, word_piece(), tmp_path)
    model = new_reward(tmp_path, seed=0)
    assert torch.equal(model.bert.embeddings.word_embeddings.weight, base.bert.embeddings.word_embeddings.weight)
    assert model.classifier.bias.eq(0).all()
    save(model, word_piece(), tmp_path / "reward")
    assert torch.equal(load_reward(tmp_path / "reward").classifier.weight, model.classifier.weight)
