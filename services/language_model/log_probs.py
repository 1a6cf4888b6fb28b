"""Per-token log-probs of given responses: the one implementation behind trainer, reference and policy alike.

Sequences are padded on the right, so a causal model sees no padding before any real token and position ids are a
plain count: no attention mask is needed and no token id is taken for padding.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

Ids = Sequence[int]


class ResponseLogProbs(NamedTuple):
    logprobs_BR: Tensor  # float32; 0 where padded
    mask_BR: Tensor  # bool; True at response tokens, left-aligned
    entropy_BR: Tensor | None  # nats per token of the temperature-scaled distribution, when asked for


def pad_right(sequences: Sequence[Ids], pad_id: int) -> tuple[Tensor, Tensor]:
    """ids_BT (int64) and mask_BT (bool, True at real tokens)."""
    lengths_B = torch.tensor([len(sequence) for sequence in sequences])
    mask_BT = torch.arange(int(lengths_B.max())) < lengths_B[:, None]
    ids_BT = torch.full(mask_BT.shape, pad_id)
    ids_BT[mask_BT] = torch.tensor([token for sequence in sequences for token in sequence])
    return ids_BT, mask_BT


def response_log_probs(
    model: PreTrainedModel,
    prompts: Sequence[Ids],
    responses: Sequence[Ids],
    temperature: float,
    pad_id: int,
    entropy: bool = False,
) -> ResponseLogProbs:
    """log softmax(logits / temperature) of every response token, in nats, float32, differentiable.

    Each prompt has at least one token; a response may be empty. Logits exist only for response tokens.
    """
    assert all(prompts)
    assert temperature > 0
    ids_BT, mask_BT = pad_right([[*p, *r] for p, r in zip(prompts, responses, strict=True)], pad_id)
    prompt_lengths_B = torch.tensor([len(prompt) for prompt in prompts])
    # Logits at t are about token t + 1.
    keep_BT = mask_BT[:, 1:] & (torch.arange(1, ids_BT.shape[1]) >= prompt_lengths_B[:, None])
    ids_BT, keep_BT = ids_BT.to(model.device), keep_BT.to(model.device)
    logits_NV = _logits_at(model, ids_BT[:, :-1], keep_BT).float()
    if temperature != 1:
        logits_NV = logits_NV / temperature
    logprobs_N, entropy_N = _of_targets(logits_NV, ids_BT[:, 1:][keep_BT], entropy)
    lengths_B = keep_BT.sum(dim=1)
    mask_BR = torch.arange(int(lengths_B.max()), device=model.device) < lengths_B[:, None]
    entropy_BR = None if entropy_N is None else _unpack(entropy_N, mask_BR)
    return ResponseLogProbs(_unpack(logprobs_N, mask_BR), mask_BR, entropy_BR)


def _logits_at(model: PreTrainedModel, ids_BT: Tensor, keep_BT: Tensor) -> Tensor:
    """logits_NV of the N kept positions, in row-major order, after whatever the architecture does to its logits."""
    if not keep_BT.any():
        return torch.zeros(0, 1, device=ids_BT.device)
    with head_sees_only(model, keep_BT):
        return model(input_ids=ids_BT, use_cache=False).logits


@contextmanager
def head_sees_only(model: PreTrainedModel, keep_BT: Tensor) -> Iterator[None]:
    """`logits_to_keep` takes one set of columns for all rows; a hook on the head picks positions row by row."""
    head = model.get_output_embeddings()
    assert head is not None
    hook = head.register_forward_pre_hook(lambda _, args: (args[0][keep_BT],))
    try:
        yield
    finally:
        hook.remove()


def _of_targets(logits_NV: Tensor, targets_N: Tensor, entropy: bool) -> tuple[Tensor, Tensor | None]:
    if not entropy:  # the fused kernel: forward and backward several times faster on CPU than logsumexp and gather
        return -F.cross_entropy(logits_NV, targets_N, reduction="none"), None
    logprobs_NV = logits_NV.log_softmax(dim=-1)
    logprobs_N = logprobs_NV.gather(1, targets_N[:, None]).squeeze(1)
    return logprobs_N, -(logprobs_NV.exp() * logprobs_NV).nan_to_num().sum(dim=-1)


def _unpack(values_N: Tensor, mask_BR: Tensor) -> Tensor:
    return values_N.new_zeros(mask_BR.shape).masked_scatter(mask_BR, values_N)
