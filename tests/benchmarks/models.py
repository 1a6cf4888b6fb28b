"""Random models of 2 M parameters: what is measured is the machinery, and that does not depend on the weights."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from services.language_model.loading import save

VOCABULARY = 1024
CONTEXT = 512


def tokenizer(never_ends: bool = False) -> PreTrainedTokenizerFast:
    """Words w0, w1, …; with `never_ends` the end-of-sequence token has an id that the model cannot emit."""
    words = ["<pad>", "<unk>", *(f"w{index}" for index in range(VOCABULARY - (2 if never_ends else 3))), "<eos>"]
    backend = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>", model_max_length=CONTEXT
    )
    fast.chat_template = "{% for message in messages %}{{ message['content'] + ' ' }}{% endfor %}"
    return fast


def config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=VOCABULARY - 1,
        bos_token_id=None,
    )


def policy(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(config()).eval()


def reward_model(seed: int = 1) -> PreTrainedModel:
    torch.manual_seed(seed)
    labelled = config()
    labelled.num_labels = 1
    return LlamaForSequenceClassification(labelled).eval()


def write(model: PreTrainedModel, folder: Path) -> Path:
    save(model, tokenizer(), folder)
    return folder


def parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
