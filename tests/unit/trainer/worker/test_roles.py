from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from services.language_model.loading import save
from services.language_model.tokens import tokenizer_digest
from services.runtime.errors import InvalidInput
from services.storage.models import Version
from services.trainer.worker.roles import reward_role
from tests.unit.trainer.worker import small_world

REWARD = Version("rm", "1.4-abc", "d", 0.0)


def write(tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    save(small_world.policy(), tokenizer, folder)
    return folder


def test_ids_travel_where_the_tokenizer_is_shared(tmp_path: Path) -> None:
    policy = small_world.tokenizer()
    role = reward_role("ppo.reward_model", REWARD, write(small_world.tokenizer(), tmp_path), policy)
    assert role.takes_ids
    assert role.tokenizer_digest == tokenizer_digest(policy)


def test_text_travels_where_it_is_not(tmp_path: Path) -> None:
    other = small_world.tokenizer()
    other.add_tokens(["new"])
    other.chat_template = "{{ messages[0]['content'] }}"
    assert not reward_role("ppo.reward_model", REWARD, write(other, tmp_path), small_world.tokenizer()).takes_ids


def test_a_reward_model_of_another_chat_template_is_refused(tmp_path: Path) -> None:
    other = small_world.tokenizer()
    other.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(InvalidInput, match=r"ppo\.reward_model: got rm@1\.4-abc with another chat template"):
        reward_role("ppo.reward_model", REWARD, write(other, tmp_path), small_world.tokenizer())
