"""Reward modelling: Bradley-Terry on comparisons, then an offset such that demonstrations score 0 on average."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.data.records import Comparison, Demonstration, Prompt
from services.language_model.loading import load_tokenizer, new_reward
from services.language_model.scoring import called_modules, encode_for_reward, is_encoder, raw_scores
from services.language_model.tokens import prepare_tokenizer
from services.trainer.attempts import StageOutcome
from services.trainer.recipes import RewardModelSpec
from services.trainer.worker.batches import epoch_order, plan
from services.trainer.worker.comparisons import AnswerGroup, connected, flatten, group_by_prompt
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import as_messages, length_limit, pad_id, require_rows
from services.trainer.worker.losses.bradley_terry import bradley_terry_loss
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ranks import ALONE, Ranks
from services.trainer.worker.supervised import Objective, minimise

HELD_OUT_SHARE = 0.05  # of the prompts, for the accuracy that is reported
MAX_HELD_OUT = 256  # prompts
MAX_OFFSET_SAMPLES = 2048  # demonstrations; the offset's standard error is then 2 % of the scores' deviation
SCORED_AT_ONCE = 64  # sequences per forward without gradients

Ids = tuple[int, ...]


RewardGroup = AnswerGroup[Ids]


def run(context: StageContext, spec: RewardModelSpec) -> StageOutcome:
    settings = spec.optimization
    _, folder = context.model(spec.base_model)
    tokenizer, model = load_start(folder, context.seed)
    limit = length_limit(model.config, tokenizer, settings.max_length)
    rows = context.records("reward_model.dataset", spec.dataset, Comparison)
    comparisons = group_by_prompt(rows, partial(encode, tokenizer), limit)
    require_rows(comparisons.groups, "reward_model.dataset", comparisons.num_long, limit)
    held_out, groups = split(comparisons.groups, context.seed)
    groups = [part for group in groups for part in connected(group)]
    batches = plan([len(g.pairs) for g in groups], settings.batch_size, settings.epochs, context.seed)
    optimizer = Optimizer(context.ranks.shard(model, *called_modules(model)), settings, len(batches))
    metrics = minimise(context, optimizer, batches, RewardObjective(model, groups, pad_id(tokenizer)))
    model.config.reward_offset = offset(context, spec, model, tokenizer, rows, limit)
    metrics |= {
        "held_out_accuracy": accuracy(model, held_out, pad_id(tokenizer), context.ranks),
        "held_out_pairs": sum(len(group.pairs) for group in held_out),
        "reward_offset": model.config.reward_offset,
        "left_out_long": comparisons.num_long,
        "left_out_ties": comparisons.num_ties,
    }
    version = context.publish(context.result_name, model, tokenizer, step=len(batches), kind="reward")
    return context.outcome(version, metrics)


def load_start(folder: Path, seed: int) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """The body of the model in `folder` under a new head; decoders get the pad token that plain transformers needs."""
    tokenizer, model = load_tokenizer(folder), new_reward(folder, seed)
    if not is_encoder(model):
        prepare_tokenizer(tokenizer, model)
    return tokenizer, model


def encode(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, response: str) -> Ids:
    return tuple(encode_for_reward(tokenizer, as_messages(prompt), response))


def split(groups: list[RewardGroup], seed: int) -> tuple[list[RewardGroup], list[RewardGroup]]:
    """Held-out groups and the ones to train on; no prompt is in both."""
    count = min(MAX_HELD_OUT, round(HELD_OUT_SHARE * len(groups)))
    order = epoch_order(len(groups), seed, epoch=0)
    return [groups[index] for index in order[:count]], [groups[index] for index in sorted(order[count:])]


class PairScores(NamedTuple):
    chosen_N: Tensor
    rejected_N: Tensor
    weights_N: Tensor
    margins_N: Tensor

    @property
    def right(self) -> Tensor:
        """Weight of the pairs in the right order."""
        return (self.weights_N * (self.chosen_N > self.rejected_N)).sum()


def pair_scores(model: PreTrainedModel, groups: Sequence[RewardGroup], pad_id: int) -> PairScores:
    """Of all pairs; every distinct sequence goes through the model once."""
    sequences, pairs = flatten(groups)
    scores_B = raw_scores(model, sequences, pad_id).cpu()
    return PairScores(scores_B[pairs.chosen_N], scores_B[pairs.rejected_N], pairs.weights_N, pairs.margins_N)


class RewardObjective(Objective):
    def __init__(self, model: PreTrainedModel, groups: Sequence[RewardGroup], pad_id: int) -> None:
        self.model, self.groups, self.pad_id = model, groups, pad_id
        self.lengths, self.sizes = [group.length for group in groups], [len(group.places) for group in groups]
        self.weights = [group.weight for group in groups]

    def loss(self, micro: Sequence[int], total: float) -> tuple[Tensor, dict[str, float]]:
        scored = pair_scores(self.model, [self.groups[index] for index in micro], self.pad_id)
        loss = bradley_terry_loss(*scored, total)
        lead = (scored.weights_N * (scored.chosen_N - scored.rejected_N)).sum()
        return loss, {"loss": loss.item(), "accuracy": scored.right.item() / total, "margin": lead.item() / total}


@torch.no_grad()
def accuracy(model: PreTrainedModel, groups: Sequence[RewardGroup], pad_id: int, ranks: Ranks = ALONE) -> float:
    """Share of pairs in the right order, by weight; 0 without any pair, which `held_out_pairs` tells apart."""
    right, total = 0.0, sum(group.weight for group in groups)
    sizes, lengths = [len(group.places) for group in groups], [group.length for group in groups]
    for micro, weight in ranks.micro_batches(range(len(groups)), lengths, sizes, SCORED_AT_ONCE) if groups else []:
        right += weight * pair_scores(model, [groups[index] for index in micro], pad_id).right.item()
    return ranks.sums({"right": right})["right"] / total if total else 0.0


def offset(
    context: StageContext,
    spec: RewardModelSpec,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Comparison],
    limit: int,
) -> float:
    """Mean raw score of the demonstrations, or of the chosen answers where there are none (Ouyang et al. 2022)."""
    if spec.demonstrations:
        kind = "reward_model.demonstrations"
        answers = [(r.prompt, r.response) for r in context.records(kind, spec.demonstrations, Demonstration)]
    else:
        answers = [(row.prompt, row.chosen) for row in rows]
    picked = epoch_order(len(answers), context.seed, epoch=0)[:MAX_OFFSET_SAMPLES]
    encoded = [encode(tokenizer, *answers[index]) for index in picked]
    sequences = [ids for ids in encoded if len(ids) <= limit]
    require_rows(sequences, "reward_model.demonstrations", len(encoded), limit)
    return mean_score(model, sequences, pad_id(tokenizer), context.ranks)


@torch.no_grad()
def mean_score(model: PreTrainedModel, sequences: Sequence[Ids], pad_id: int, ranks: Ranks = ALONE) -> float:
    lengths, ones = [len(ids) for ids in sequences], [1] * len(sequences)
    total = 0.0
    for micro, weight in ranks.micro_batches(range(len(sequences)), lengths, ones, SCORED_AT_ONCE):
        scores_B = raw_scores(model, [sequences[index] for index in micro], pad_id)
        total += weight * scores_B.double().sum().item()
    return ranks.sums({"score": total})["score"] / len(sequences)
