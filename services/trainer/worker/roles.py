"""The prompts and the reward model that a stage asks services about."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from services.data.records import PromptRecord
from services.language_model.chat import encode_prompt
from services.language_model.loading import load_tokenizer
from services.language_model.tokens import chat_template_digest, tokenizer_digest
from services.runtime.errors import InvalidInput, Problem
from services.storage.models import Version
from services.trainer.worker.collector import Prompt, RewardRole
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import as_messages, require_rows


def load_prompts(
    context: StageContext, field: str, reference: str, tokenizer: PreTrainedTokenizerBase, limit: int
) -> tuple[list[Prompt], int]:
    """Prompts of at most `limit` tokens, and how many were longer. InvalidInput when none is left."""
    records = context.records(field, reference, PromptRecord)
    messages = [as_messages(record.prompt) for record in records]
    prompts = [Prompt(index, m, encode_prompt(tokenizer, m)) for index, m in enumerate(messages)]
    kept = [prompt for prompt in prompts if len(prompt.ids) <= limit]
    require_rows(kept, field, len(prompts), limit)
    return kept, len(prompts) - len(kept)


def reward_role(field: str, version: Version, folder: Path, policy_tokenizer: PreTrainedTokenizerBase) -> RewardRole:
    """InvalidInput for a reward model that reads the policy's tokens but was trained on another chat template."""
    tokenizer = load_tokenizer(folder)
    shared = tokenizer_digest(tokenizer) == tokenizer_digest(policy_tokenizer)
    if shared and chat_template_digest(tokenizer) != chat_template_digest(policy_tokenizer):
        raise InvalidInput(Problem(field, f"{version} with another chat template", "the policy's chat template"))
    return RewardRole(version, shared, tokenizer_digest(policy_tokenizer))
