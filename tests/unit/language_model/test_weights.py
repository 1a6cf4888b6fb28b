from pathlib import Path

import pytest
import torch

from services.language_model.loading import save
from services.language_model.weights import load_weights
from services.runtime.errors import InvalidInput

from .small_models import DECODERS, bert, byte_level, causal, reward, word_piece

IDS = torch.tensor([[3, 4, 5]])


@pytest.mark.parametrize("family", DECODERS)
def test_model_in_memory_becomes_the_one_in_the_folder(family: str, tmp_path: Path) -> None:
    model, other = causal(family, seed=0), causal(family, seed=1)
    save(other, byte_level(), tmp_path)
    addresses = [parameter.data_ptr() for parameter in model.parameters()]
    load_weights(model, tmp_path)
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, other(IDS).logits)
    assert [parameter.data_ptr() for parameter in model.parameters()] == addresses


def test_reward_models_and_shards_are_swapped_too(tmp_path: Path) -> None:
    for make, tokenizer in ((bert, word_piece()), (lambda seed: reward("llama", seed), byte_level())):
        model, other = make(0), make(1)
        folder = tmp_path / other.config.model_type
        other.save_pretrained(folder, max_shard_size="20KB")
        assert len(list(folder.glob("*.safetensors"))) > 1
        load_weights(model, folder)
        with torch.no_grad():
            assert torch.equal(model(IDS).logits, other(IDS).logits)
        assert tokenizer is not None


def test_other_shapes_and_missing_weights_change_nothing(tmp_path: Path) -> None:
    model = causal("llama")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wider = causal("llama", seed=1)
    wider.resize_token_embeddings(310)
    save(wider, byte_level(), tmp_path / "wider")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match=r"wider differs in .*embed_tokens"):
        load_weights(model, tmp_path / "wider")
    with pytest.raises(InvalidInput, match="empty differs in"):
        load_weights(model, tmp_path / "empty")
    save(causal("gpt2"), byte_level(), tmp_path / "gpt2")
    with pytest.raises(InvalidInput, match="gpt2 differs in"):
        load_weights(model, tmp_path / "gpt2")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
