"""Against the cross-entropy that transformers and TRL compute from logits and labels, token by token."""

import math

import pytest
import torch

from services.language_model.log_probs import response_log_probs
from services.trainer.worker.losses.sft import sft_loss
from tests.unit.trainer.worker import small_world


def test_loss_is_the_labelled_cross_entropy_of_transformers() -> None:
    """With labels -100 on prompt and padding, transformers gives the mean over response tokens."""
    model = small_world.policy()
    prompts, responses = [[5, 6, 7], [8, 9]], [[10, 2], [11, 12, 13, 2]]
    rows = [p + r for p, r in zip(prompts, responses)]
    width = max(map(len, rows))
    ids_BT = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    labels_BT = ids_BT.clone()
    for b, (prompt, row) in enumerate(zip(prompts, rows)):
        labels_BT[b, : len(prompt)] = -100
        labels_BT[b, len(row) :] = -100
    mask_BT = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    expected = model(input_ids=ids_BT, attention_mask=mask_BT, labels=labels_BT).loss

    logprobs_BR, mask_BR, _ = response_log_probs(model, prompts, responses, 1.0, 0)
    assert sft_loss(logprobs_BR, mask_BR, 6).item() == pytest.approx(expected.item(), abs=1e-5)


def test_micro_batches_add_up_to_the_batch() -> None:
    logprobs_BR = torch.tensor([[-1.0, -2.0, -9.0], [-3.0, -9.0, -9.0]])
    mask_BR = torch.tensor([[True, True, False], [True, False, False]])
    parts = [sft_loss(logprobs_BR[b : b + 1], mask_BR[b : b + 1], 3).item() for b in range(2)]
    assert sum(parts) == pytest.approx(2.0)


def test_padding_may_hold_anything() -> None:
    logprobs_BR = torch.tensor([[-1.0, math.nan]], requires_grad=True)
    loss = sft_loss(logprobs_BR, torch.tensor([[True, False]]), 1)
    loss.backward()
    assert loss.item() == 1.0
    assert logprobs_BR.grad is not None
    assert logprobs_BR.grad.tolist() == [[-1.0, 0.0]]
