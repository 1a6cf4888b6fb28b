"""Trains the tiny base model from the background text alone; the same machine gives the same bytes.

python -m services.simulator.base_model [--out FOLDER]
"""

import time

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from services.simulator.background import documents
from services.simulator.base_model import WEIGHTS
from services.simulator.base_model.pretraining import repeatable, warm_cosine
from services.simulator.world import load_world

DOCUMENTS = 80_000
VOCABULARY = 2048
WINDOW, BATCH, STEPS = 128, 32, 2800
LEARNING_RATE = 3e-3
SEED = 0

END, PAD = "<|end|>", "<|pad|>"
SPECIAL = [PAD, END, "<|system|>", "<|user|>", "<|assistant|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def main() -> None:
    out = repeatable(__doc__, WEIGHTS, SEED)
    text = list(documents([load_world("home"), load_world("harbour")], DOCUMENTS, SEED))
    tokenizer = train_tokenizer(text)
    model = LlamaForCausalLM(config(tokenizer))
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    train(model, pack(tokenizer, text))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def train_tokenizer(text: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=sorted(alphabet), show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, chat_template=CHAT_TEMPLATE, model_max_length=256
    )


def config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=SPECIAL.index(END),
        pad_token_id=SPECIAL.index(PAD),
    )


def pack(tokenizer: PreTrainedTokenizerFast, text: list[str]) -> torch.Tensor:
    """Documents end to end, each closed by the end token, cut into windows: ids_NW."""
    encoded = tokenizer(text, add_special_tokens=False)["input_ids"]
    stream = [token for ids in encoded for token in (*ids, tokenizer.eos_token_id)]
    windows = len(stream) // WINDOW
    print(f"{len(stream):,} tokens of text", flush=True)
    return torch.tensor(stream[: windows * WINDOW]).view(windows, WINDOW)


def train(model: LlamaForCausalLM, ids_NW: torch.Tensor) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_cosine(STEPS, floor=0.05))
    order, started = torch.randperm(len(ids_NW)), time.monotonic()
    for step in range(STEPS):
        rows = order[torch.arange(step * BATCH, (step + 1) * BATCH) % len(order)]
        ids_BW = ids_NW[rows]
        loss = model(input_ids=ids_BW, labels=ids_BW).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == STEPS - 1:
            print(f"step {step:5d}  loss {loss.item():.3f}  {time.monotonic() - started:5.0f} s", flush=True)


if __name__ == "__main__":
    main()
