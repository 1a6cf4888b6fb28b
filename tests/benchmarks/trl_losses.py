"""Our losses beside those of TRL's own trainers, on the same models and rows: `python -m tests.benchmarks.trl_losses`.

Fails where two numbers are more than 1e-5 apart.
"""

import tempfile
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from transformers import LlamaForSequenceClassification

from services.language_model.log_probs import response_log_probs
from services.language_model.scoring import raw_scores
from services.trainer.worker.losses.bradley_terry import bradley_terry_loss
from services.trainer.worker.losses.dpo import dpo_terms
from services.trainer.worker.losses.sft import sft_loss
from tests.unit.trainer.worker import small_world

TOLERANCE = 1e-5
BETA = 0.3
PROMPTS = ["w1 w2", "w3", "w4 w5 w6", "w7 w8"]
CHOSEN = ["w9 w10", "w11", "w12 w13 w14 w15", "w16"]
MARGINS = [0.0, 1.0, 0.5, 3.0]
REJECTED = ["w17", "w18 w19 w20", "w21", "w22 w23"]


def main() -> None:
    disable_progress_bars()
    for name, compare in (("SFT", sft), ("reward model", reward_model), ("DPO", dpo)):
        own, theirs = compare()
        print(f"{name}: {own:.7f}, TRL {theirs:.7f}")
        assert abs(own - theirs) < TOLERANCE, f"the {name} losses differ by {abs(own - theirs):.1e}"


def ids(texts: list[str], end: bool = False) -> list[list[int]]:
    tokenizer = small_world.tokenizer()
    return [tokenizer(text).input_ids + [tokenizer.eos_token_id] * end for text in texts]


def loss_of(trainer: Any) -> float:
    """Of the first batch, which holds all rows."""
    trainer.model.eval()
    with torch.no_grad():
        return float(trainer.compute_loss(trainer.model, next(iter(trainer.get_train_dataloader()))))


def settings(config: Any, **more: Any) -> Any:
    quiet = {"report_to": "none", "use_cpu": True, "bf16": False, "disable_tqdm": True}
    return config(tempfile.mkdtemp(), per_device_train_batch_size=len(PROMPTS), **quiet, **more)


def sft() -> tuple[float, float]:
    from trl import SFTConfig, SFTTrainer  # pyright: ignore[reportMissingImports]

    responses = ids(CHOSEN, end=True)
    logprobs_BR, mask_BR, _ = response_log_probs(small_world.policy(), ids(PROMPTS), responses, 1.0, 0)
    own = sft_loss(logprobs_BR, mask_BR, sum(map(len, responses))).item()
    rows = [
        {"input_ids": prompt + response, "completion_mask": [0] * len(prompt) + [1] * len(response)}
        for prompt, response in zip(ids(PROMPTS), responses)
    ]
    trainer = SFTTrainer(
        small_world.policy(),
        settings(SFTConfig, completion_only_loss=True),
        train_dataset=Dataset.from_list(rows),
        processing_class=small_world.tokenizer(),
    )
    return own, loss_of(trainer)


def reward_model() -> tuple[float, float]:
    from trl import RewardConfig, RewardTrainer  # pyright: ignore[reportMissingImports]

    torch.manual_seed(1)
    model = LlamaForSequenceClassification(small_world.config(num_labels=1)).eval()
    chosen, rejected = ([p + r for p, r in zip(ids(PROMPTS), ids(texts, end=True))] for texts in (CHOSEN, REJECTED))
    scores = [raw_scores(model, sequences, 0) for sequences in (chosen, rejected)]
    own = bradley_terry_loss(*scores, torch.ones(len(PROMPTS)), torch.tensor(MARGINS), len(PROMPTS)).item()
    rows = [{"chosen_ids": c, "rejected_ids": r, "margin": m} for c, r, m in zip(chosen, rejected, MARGINS)]
    trainer = RewardTrainer(
        model,
        settings(RewardConfig),
        train_dataset=Dataset.from_list(rows),
        processing_class=small_world.tokenizer(),
    )
    return own, loss_of(trainer)


def dpo() -> tuple[float, float]:
    from trl import DPOConfig, DPOTrainer  # pyright: ignore[reportMissingImports]

    sums = [
        response_log_probs(small_world.policy(seed), ids(PROMPTS), ids(texts, end=True), 1.0, 0).logprobs_BR.sum(dim=1)
        for seed in (0, 5)
        for texts in (CHOSEN, REJECTED)
    ]
    own = dpo_terms(*sums, torch.zeros(len(PROMPTS)), beta=BETA).loss_N.mean().item()
    # TRL joins the strings before it tokenises them.
    rows = [{"prompt": p, "chosen": f" {c}", "rejected": f" {r}"} for p, c, r in zip(PROMPTS, CHOSEN, REJECTED)]
    trainer = DPOTrainer(
        small_world.policy(0),
        small_world.policy(5),
        settings(DPOConfig, beta=BETA),
        train_dataset=Dataset.from_list(rows),
        processing_class=small_world.tokenizer(),
    )
    return own, loss_of(trainer)


if __name__ == "__main__":
    main()
