from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, LlamaForSequenceClassification

from services.language_model.loading import save
from services.language_model.scoring import raw_scores
from services.trainer.worker.ppo.value_model import ValueModel, load_value_model
from tests.unit.trainer.worker import small_world

PROMPTS = [[3, 5, 4], [3, 6, 7, 8, 4], [3, 9, 4]]
RESPONSES = [[10, 11, 12, 2], [13, 2], [14, 15, 16, 17, 18, 2]]


def reward_model(offset: float = 0.0) -> LlamaForSequenceClassification:
    torch.manual_seed(1)
    model = LlamaForSequenceClassification(small_world.config(num_labels=1)).eval()
    model.config.reward_offset = offset
    return model


def write(model: object, folder: Path, tokenizer: object = None) -> Path:
    save(model, tokenizer or small_world.tokenizer(), folder)  # type: ignore[arg-type]
    return folder


@torch.no_grad()
def test_the_value_before_a_token_is_the_score_of_what_stands_before_it() -> None:
    reward = reward_model()
    values_BR = ValueModel(reward, offset=0.5)(PROMPTS, RESPONSES, pad_id=0)
    for b, (prompt, response) in enumerate(zip(PROMPTS, RESPONSES)):
        prefixes = [[*prompt, *response[:r]] for r in range(len(response))]
        alone = [raw_scores(reward, [prefix], 0).item() - 0.5 for prefix in prefixes]
        assert values_BR[b, : len(response)].tolist() == pytest.approx(alone, abs=1e-5)


@torch.no_grad()
def test_a_later_token_leaves_earlier_values_as_they_were() -> None:
    """Changing token r + 1 must not move the value before it, or advantages would look into the future."""
    model = ValueModel(reward_model())
    before_BR = model(PROMPTS, RESPONSES, 0)
    for r in range(5):
        changed = [*RESPONSES[2][: r + 1], 20, *RESPONSES[2][r + 2 :]]
        after_BR = model(PROMPTS, [*RESPONSES[:2], changed], 0)
        assert torch.allclose(after_BR[2, : r + 2], before_BR[2, : r + 2], atol=1e-6)
        if r < 4:
            assert not torch.allclose(after_BR[2, r + 2 :], before_BR[2, r + 2 :], atol=1e-6)


def test_it_starts_from_a_causal_reward_model_of_the_same_tokenizer(tmp_path: Path) -> None:
    reward_folder = write(reward_model(offset=0.7), tmp_path / "reward")
    policy_folder = write(small_world.policy(), tmp_path / "policy")
    found = load_value_model(reward_folder, policy_folder, small_world.tokenizer(), seed=0)
    assert found.offset == pytest.approx(0.7)
    assert torch.equal(found.body.score.weight, reward_model().score.weight)


def test_it_starts_from_the_policy_where_the_tokenizer_differs(tmp_path: Path) -> None:
    other = small_world.tokenizer()
    other.add_tokens(["new"])
    reward_folder = write(reward_model(), tmp_path / "reward", other)
    found = load_value_model(reward_folder, write(small_world.policy(), tmp_path / "p"), small_world.tokenizer(), 0)
    body = dict(found.body.model.named_parameters())
    assert all(torch.equal(p, body[name]) for name, p in small_world.policy().model.named_parameters())
    assert found.offset == 0


def test_it_starts_from_the_policy_where_the_reward_model_sees_both_ways(tmp_path: Path) -> None:
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    encoder = BertForSequenceClassification(BertConfig(vocab_size=29, num_labels=1, **size))
    policy_folder = write(small_world.policy(), tmp_path / "p")
    found = load_value_model(write(encoder, tmp_path / "r"), policy_folder, small_world.tokenizer(), 0)
    assert isinstance(found.body, LlamaForSequenceClassification)
