"""Records to token ids, once."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PretrainedConfig, PreTrainedTokenizerBase

from services.data.records import Prompt as RecordPrompt
from services.language_model.chat import Message, encode_prompt, encode_response
from services.runtime.errors import InvalidInput, Problem


@dataclass(frozen=True)
class Example:
    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]  # ends with the end-of-sequence token

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.response_ids)


def as_messages(prompt: RecordPrompt) -> list[Message]:
    return [Message(message.role, message.content) for message in prompt]


def encode(tokenizer: PreTrainedTokenizerBase, prompt: RecordPrompt, response: str) -> Example:
    messages = as_messages(prompt)
    return Example(tuple(encode_prompt(tokenizer, messages)), tuple(encode_response(tokenizer, response)))


def length_limit(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, max_length: int = 1 << 20) -> int:
    """Tokens that fit one sequence: what was asked for, within what the model can see."""
    seen = getattr(config.get_text_config(), "max_position_embeddings", None) or max_length
    return min(max_length, seen, tokenizer.model_max_length)


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Which id pads makes no difference, as padding is found by length; it only has to exist."""
    return int(tokenizer.pad_token_id or 0)  # type: ignore[arg-type]


def require_rows(kept: Sequence, field: str, num_long: int, limit: int) -> None:
    """Leaving over-long rows out must leave something in."""
    if not kept:
        raise InvalidInput(Problem(field, f"{num_long} rows that are all too long", f"rows of at most {limit} tokens"))
