"""What a tokenizer is, as a digest, and what every role needs of it: a pad token of its own and a chat template."""

import hashlib
import json
import re

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.language_model.chat import default_chat_template
from services.runtime.errors import InvalidInput, Problem

PAD = "<|pad|>"
SPARE = re.compile(r"pad|reserved|unused|extra", re.IGNORECASE)


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """sha256 (hex) over the vocabulary and the ids of the special tokens: equal digests mean that ids mean the same."""
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id]
    return _sha256(json.dumps([sorted(tokenizer.get_vocab().items()), special]))


def chat_template_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """sha256 (hex) of the template that turns messages into text."""
    return _sha256(str(tokenizer.chat_template or default_chat_template(tokenizer)))


def is_encoder_tokenizer(tokenizer: PreTrainedTokenizerBase) -> bool:
    """[CLS] text [SEP], as BERT and its family have it, and no end-of-sequence token beside."""
    return tokenizer.cls_token_id is not None and tokenizer.eos_token_id in (None, tokenizer.sep_token_id)


def prepare_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Give both, in place, a pad token that is not the end-of-sequence token, and a chat template where there is none.

    The pad token is an unused special token, else an added one whose rows in the input and output embeddings are the
    mean of the others. An encoder's tokenizer gets no template. Raises InvalidInput when another names no
    end-of-sequence token.
    """
    encoder = is_encoder_tokenizer(tokenizer)
    if tokenizer.eos_token_id is None and not encoder:
        raise InvalidInput(Problem("tokenizer.eos_token", "none", "a token that ends a response"))
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": _spare_token(tokenizer, model) or PAD})
    _grow_embeddings(model, len(tokenizer))
    if not tokenizer.chat_template and not encoder:
        tokenizer.chat_template = default_chat_template(tokenizer)
    for config in filter(None, (model.config, getattr(model, "generation_config", None))):
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id


def _spare_token(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> str | None:
    used = [tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token]
    rows = _rows(model)
    for index, token in sorted(tokenizer.added_tokens_decoder.items()):
        text = token.content
        in_template = text in str(tokenizer.chat_template or "")
        if token.special and index < rows and text not in used and not in_template and SPARE.search(text):
            return text
    return None


def _grow_embeddings(model: PreTrainedModel, size: int) -> None:
    old = _rows(model)
    if size <= old:
        return
    model.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        for table in filter(None, (model.get_input_embeddings(), model.get_output_embeddings())):
            for parameter in table.parameters():
                parameter[old:] = parameter[:old].mean(dim=0)


def _rows(model: PreTrainedModel) -> int:
    return model.get_input_embeddings().get_parameter("weight").shape[0]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
