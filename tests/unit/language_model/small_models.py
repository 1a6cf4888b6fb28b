"""Small random models of every family, made from their configs, and tokenizers trained on a few lines."""

from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    ModernBertConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

VOCAB = 300
TEXT = ["The cat sat on the mat.", "How do I boil an egg? Put it in water for ten minutes.", "2 + 2 = 4, of course."]
LLAMA_LIKE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**LLAMA_LIKE, "num_key_value_heads": 2, "max_position_embeddings": 256}
# A large spread of initial weights makes distributions far from uniform, so that errors show.
INIT = {"initializer_range": 0.2, "vocab_size": VOCAB, "pad_token_id": 2, "bos_token_id": 0, "eos_token_id": 1}
CONFIGS: dict[str, Callable[..., PretrainedConfig]] = {
    "llama": lambda **more: LlamaConfig(**GROUPED, **INIT, **more),
    "qwen2": lambda **more: Qwen2Config(**GROUPED, **INIT, **more),
    "qwen3": lambda **more: Qwen3Config(**GROUPED, **INIT, head_dim=8, **more),
    "gpt2": lambda **more: GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, **INIT, **more),
    "gpt_neox": lambda **more: GPTNeoXConfig(**LLAMA_LIKE, max_position_embeddings=256, **INIT, **more),
    "gemma": lambda **more: GemmaConfig(**GROUPED, **INIT, head_dim=8, **more),
}
DECODERS = list(CONFIGS)


def causal(family: str, seed: int = 0, **more: Any) -> PreTrainedModel:
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(CONFIGS[family](**more)).eval()


def reward(family: str, seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    return AutoModelForSequenceClassification.from_config(CONFIGS[family](num_labels=1)).eval()


def bert(seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = BertConfig(**LLAMA_LIKE, vocab_size=VOCAB, num_labels=1, initializer_range=0.2)
    return AutoModelForSequenceClassification.from_config(config).eval()


def modern_bert(seed: int = 0) -> PreTrainedModel:
    """Pools by the mean of all tokens, through a head with a norm."""
    torch.manual_seed(seed)
    special = {"pad_token_id": 0, "cls_token_id": 1, "bos_token_id": 1, "sep_token_id": 2, "eos_token_id": 2}
    config = ModernBertConfig(
        **LLAMA_LIKE, vocab_size=VOCAB, num_labels=1, initializer_range=0.2, classifier_pooling="mean", **special
    )
    return AutoModelForSequenceClassification.from_config(config).eval()


ENCODERS = {"bert": bert, "modern_bert": modern_bert}


def random_ids(count: int, shortest: int, longest: int, seed: int = 0) -> list[list[int]]:
    """Sequences that also hold the pad id 2, which must count as text."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (count,), generator=generator).tolist()
    return [torch.randint(2, 40, (length,), generator=generator).tolist() for length in lengths]


def byte_level(**special: str) -> PreTrainedTokenizerFast:
    """As GPT-2's: no token is added at the beginning. Ids 0, 1, 2 are <s>, </s>, <unused>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **({"eos_token": "</s>"} | special))


def adds_bos() -> PreTrainedTokenizerFast:
    """As Llama's: every text begins with <s>."""
    tokenizer = byte_level(bos_token="<s>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 0)]
    )
    return tokenizer


def word_piece() -> PreTrainedTokenizerFast:
    """As BERT's: [CLS] text [SEP]."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
