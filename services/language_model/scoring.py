"""Raw scores of reward models: the logit that plain transformers gives for one sequence, for a whole batch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.language_model.chat import Message, encode_prompt, encode_response
from services.language_model.log_probs import Ids, pad_right
from services.language_model.text_encoder import text_encoder
from services.language_model.tokens import is_encoder_tokenizer


def is_encoder(model: PreTrainedModel) -> bool:
    """Decoders end in a `score` layer applied to every token; encoders pool first."""
    return not hasattr(model, "score")


def called_modules(model: PreTrainedModel) -> tuple[nn.Module, ...]:
    """What `raw_scores` calls."""
    return (model,) if is_encoder(model) else (model.base_model, model.get_submodule("score"))


def raw_scores(model: PreTrainedModel, sequences: Sequence[Ids], pad_id: int) -> Tensor:
    """scores_B (float32, differentiable): at the last real token for decoders, pooled for encoders.

    The last token is found by length: a pad id inside a text is a token like any other.
    """
    ids_BT, mask_BT = (tensor.to(model.device) for tensor in pad_right(sequences, pad_id))
    if is_encoder(model):
        return model(input_ids=ids_BT, attention_mask=mask_BT.long()).logits.squeeze(-1).float()
    last_B = mask_BT.sum(dim=1) - 1
    rows_B = torch.arange(len(sequences), device=model.device)
    return model.get_submodule("score")(_hidden(model, ids_BT)[rows_B, last_B]).squeeze(-1).float()


def token_scores(model: PreTrainedModel, ids_BT: Tensor) -> Tensor:
    """scores_BT (float32, differentiable) of a decoder after each token of right-padded ids, as a value model needs."""
    return model.get_submodule("score")(_hidden(model, ids_BT)).squeeze(-1).float()


def encode_for_reward(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], response: str) -> list[int]:
    """Prompt and finished response as one sequence of ids.

    For decoders as the policy writes them: chat template, response, end-of-sequence token. For encoders the pair
    [CLS] prompt [SEP] response [SEP], segment ids left at 0; a lone user message is taken as it is.
    """
    if is_encoder_tokenizer(tokenizer):
        return text_encoder(tokenizer).framed(_plain_prompt(messages), response)
    return encode_prompt(tokenizer, messages) + encode_response(tokenizer, response)


def encode_sequence(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of a text that a chat template has written: special tokens are read as such.

    As plain transformers reads it, but for a beginning token that stands there already: no second one is added.
    """
    begun = bool(tokenizer.bos_token) and text.startswith(str(tokenizer.bos_token))
    return list(tokenizer(text, add_special_tokens=not begun, verbose=False).input_ids)


def response_part(tokenizer: PreTrainedTokenizerBase, response: str) -> list[int]:
    """What of `encode_for_reward` stands for the response, whatever the prompt."""
    if is_encoder_tokenizer(tokenizer):
        return text_encoder(tokenizer).framed("", response)[len(text_encoder(tokenizer).framed("")) :]
    return encode_response(tokenizer, response)


def _plain_prompt(messages: Sequence[Message]) -> str:
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{message.role}: {message.content}" for message in messages)


def _hidden(model: PreTrainedModel, ids_BT: Tensor) -> Tensor:
    return model.base_model(input_ids=ids_BT, use_cache=False).last_hidden_state
