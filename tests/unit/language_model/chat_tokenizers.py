"""Small tokenizers that split, normalise and mark text as those of the families do, and chat as they do."""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from .small_models import TEXT, adds_bos, byte_level, word_piece

CHATML = (
    "{% for m in messages %}{% if m.content.endswith('</done>') %}{{ 'DONE' }}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + m.role + '\n' + (m.content | trim) }}"
    "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}"
    "{% else %}{{ '[INST] ' + m.content + ' [/INST]' }}{% endif %}{% endfor %}"
)


def qwen() -> PreTrainedTokenizerFast:
    """ChatML markers are special, <think> is an added token that is not."""
    tokenizer = byte_level(eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = CHATML
    return tokenizer


def gpt2() -> PreTrainedTokenizerFast:
    """One special token for everything, no template."""
    end = "<|endoftext|>"
    return byte_level(bos_token=end, eos_token=end, unk_token=end)


def gpt_neox() -> PreTrainedTokenizerFast:
    """Runs of spaces are added tokens, and not special."""
    tokenizer = byte_level(eos_token="<|endoftext|>", pad_token="<|padding|>")
    tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(2, 5)])
    return tokenizer


def pieces(normalizer: normalizers.Normalizer | None, scheme: str | None, special: list[str]) -> Tokenizer:
    """A SentencePiece model as it is converted: what is not in the vocabulary falls apart into bytes."""
    trained = Tokenizer(models.BPE())
    alphabet = [chr(code) for code in range(33, 127)] + ["▁"]
    trained.train_from_iterator(
        [line.replace(" ", "▁") for line in TEXT],
        trainers.BpeTrainer(vocab_size=180, special_tokens=special, initial_alphabet=alphabet),
    )
    vocabulary = trained.get_vocab()
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    merges = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if scheme:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def llama2() -> PreTrainedTokenizerFast:
    """SentencePiece: a space stands before the first word of a text, and only there; [INST] is text."""
    backend = pieces(None, "first", ["<unk>", "<s>", "</s>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    tokenizer.chat_template = INST
    return tokenizer


def llama1() -> PreTrainedTokenizerFast:
    """As older conversions: the space is put before every text between special tokens."""
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend = pieces(normalizer, None, ["<unk>", "<s>", "</s>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = INST
    return tokenizer


def gemma() -> PreTrainedTokenizerFast:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    backend = pieces(normalizers.Replace(" ", "▁"), None, special)
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **names, additional_special_tokens=special[4:])
    tokenizer.chat_template = GEMMA
    return tokenizer


def bert() -> PreTrainedTokenizerFast:
    tokenizer = word_piece()
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    return tokenizer


CHATTING = {
    "llama3": adds_bos,
    "llama2": llama2,
    "llama1": llama1,
    "qwen": qwen,
    "gpt2": gpt2,
    "gpt_neox": gpt_neox,
    "gemma": gemma,
}
