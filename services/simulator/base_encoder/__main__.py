"""Trains the tiny encoder to find what does not belong into a text; the same machine gives the same bytes.

Replaced token detection (Clark et al. 2020, ELECTRA) with statements of other subjects in place of a generator's words.
It reads the tokens of the base model, which comes first.

python -m services.simulator.base_encoder [--out FOLDER]
"""

import itertools
import random
import time
from collections.abc import Iterator, Sequence

import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from torch.nn import functional
from transformers import ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast

from services.language_model.loading import load_tokenizer
from services.language_model.log_probs import pad_right
from services.simulator import base_model
from services.simulator.base_encoder import WEIGHTS
from services.simulator.base_model.__main__ import PAD
from services.simulator.base_model.pretraining import repeatable, warm_cosine
from services.simulator.corruption import CorruptedLibrary, Document
from services.simulator.world import load_world

STEPS, BATCH, SORTED_BATCHES = 16000, 48, 16
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 0.02
SEED = 0
BEGIN, SEPARATOR = "[CLS]", "[SEP]"


def main() -> None:
    out = repeatable(__doc__, WEIGHTS, SEED)
    tokenizer = pair_tokenizer()
    body = ModernBertModel(config(tokenizer))
    print(f"{body.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    train(body, tokenizer)
    body.bfloat16().save_pretrained(out)  # half the bytes in the repository
    tokenizer.save_pretrained(out)


def pair_tokenizer() -> PreTrainedTokenizerFast:
    """The base model's, that frames texts as [CLS] question [SEP] text [SEP]."""
    backend = load_tokenizer(base_model.WEIGHTS).backend_tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=PAD, model_max_length=256)
    tokenizer.add_special_tokens({"cls_token": BEGIN, "sep_token": SEPARATOR})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{BEGIN} $A {SEPARATOR}",
        pair=f"{BEGIN} $A {SEPARATOR} $B {SEPARATOR}",
        special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in (BEGIN, SEPARATOR)],
    )
    return tokenizer


def config(tokenizer: PreTrainedTokenizerFast) -> ModernBertConfig:
    layers, ids = 6, tokenizer.get_vocab()
    return ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=256,
        layer_types=["full_attention"] * layers,
        classifier_pooling="mean",
        pad_token_id=ids[PAD],
        cls_token_id=ids[BEGIN],
        bos_token_id=ids[BEGIN],
        sep_token_id=ids[SEPARATOR],
        eos_token_id=ids[SEPARATOR],
    )


def train(body: ModernBertModel, tokenizer: PreTrainedTokenizerFast) -> None:
    judge = nn.Linear(body.config.hidden_size, 1)  # of each token; not kept
    optimizers = two_optimizers(body, judge)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(optimizer, warm_cosine(STEPS, floor=0.02)) for optimizer in optimizers
    ]
    started = time.monotonic()
    for step, (ids_BT, real_BT, wrong_BT) in enumerate(itertools.islice(batches(tokenizer), STEPS)):
        logits_BT = judge(body(input_ids=ids_BT, attention_mask=real_BT.long()).last_hidden_state).squeeze(-1)
        loss = functional.binary_cross_entropy_with_logits(logits_BT[real_BT], wrong_BT[real_BT])
        loss.backward()
        nn.utils.clip_grad_norm_([*body.parameters(), *judge.parameters()], 1.0)
        for each in (*optimizers, *schedules):
            each.step()
        for optimizer in optimizers:
            optimizer.zero_grad()
        if step % 50 == 0 or step == STEPS - 1:
            found = ((logits_BT > 0) & real_BT)[wrong_BT > 0].float().mean()
            passed = time.monotonic() - started
            print(f"step {step:5d}  loss {loss.item():.4f}  found {found:.1%}  {passed:5.0f} s", flush=True)


def batches(tokenizer: PreTrainedTokenizerFast) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Without end, as of `encode`: documents of one length together, which saves half of the work on padding."""
    libraries, rng = [CorruptedLibrary(load_world(name)) for name in ("home", "harbour")], random.Random(SEED)
    while True:
        documents = [rng.choice(libraries).document(rng) for _ in range(BATCH * SORTED_BATCHES)]
        documents.sort(key=lambda document: len(document.question) + len(document.text))
        starts = list(range(0, len(documents), BATCH))
        rng.shuffle(starts)
        for start in starts:
            yield encode(tokenizer, documents[start : start + BATCH])


def two_optimizers(body: ModernBertModel, judge: nn.Linear) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for everything else."""
    matrices = [p for name, p in body.named_parameters() if p.ndim == 2 and "embeddings" not in name]
    chosen = set(map(id, matrices))
    others = [p for p in (*body.parameters(), *judge.parameters()) if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def encode(tokenizer: PreTrainedTokenizerFast, documents: Sequence[Document]) -> tuple[Tensor, Tensor, Tensor]:
    """ids_BT, real_BT (False on padding) and wrong_BT: 1 where a token has characters of what does not belong there."""
    framed = tokenizer.backend_tokenizer.encode_batch(
        [(d.question, d.text) if d.question else d.text for d in documents]
    )
    ids_BT, real_BT = pad_right([encoding.ids for encoding in framed], tokenizer.get_vocab()[PAD])
    wrong_BT = torch.zeros(ids_BT.shape)
    for row, (document, encoding) in enumerate(zip(documents, framed, strict=True)):
        part = 1 if document.question else 0
        for place, (of, (start, end)) in enumerate(zip(encoding.sequence_ids, encoding.offsets, strict=True)):
            if of == part and any(start < last and end > first for first, last in document.wrong):
                wrong_BT[row, place] = 1.0
    return ids_BT, real_BT, wrong_BT


if __name__ == "__main__":
    main()
