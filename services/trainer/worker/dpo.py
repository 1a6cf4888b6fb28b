"""Direct preference optimisation; the starting policy is the frozen reference, asked once before the first step."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedModel

from services.data.records import Comparison
from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.log_probs import response_log_probs
from services.trainer.attempts import StageOutcome
from services.trainer.recipes import DpoSpec
from services.trainer.worker.batches import plan
from services.trainer.worker.comparisons import AnswerGroup, connected, flatten, group_by_prompt
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import Example, encode, length_limit, pad_id, require_rows
from services.trainer.worker.losses.dpo import dpo_terms
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ranks import ALONE, Ranks
from services.trainer.worker.supervised import Objective, minimise

REFERENCE_ANSWERS = 64  # per forward of the reference pass


def run(context: StageContext, spec: DpoSpec) -> StageOutcome:
    settings = spec.optimization
    _, folder = context.model(spec.policy_model)
    tokenizer, model = load_tokenizer(folder), load_causal(folder)
    limit = length_limit(model.config, tokenizer, settings.max_length)
    rows = context.records("dpo.dataset", spec.dataset, Comparison)
    comparisons = group_by_prompt(rows, partial(encode, tokenizer), limit)
    require_rows(comparisons.groups, "dpo.dataset", comparisons.num_long, limit)
    groups = [part for group in comparisons.groups for part in connected(group)]
    batches = plan([len(group.pairs) for group in groups], settings.batch_size, settings.epochs, context.seed)
    context.ranks.shard(model)
    with context.stopwatch.part("reference"):
        reference = reference_log_probs(model, groups, pad_id(tokenizer), context.ranks)
    objective = DpoObjective(model, groups, reference, spec.beta, pad_id(tokenizer))
    metrics = minimise(context, Optimizer(model, settings, len(batches)), batches, objective)
    version = context.publish(context.result_name, model, tokenizer, step=len(batches), kind="policy")
    counts = {"left_out_long": comparisons.num_long, "left_out_ties": comparisons.num_ties}
    return context.outcome(version, metrics | {"pairs": sum(len(group.pairs) for group in groups)} | counts)


def answer_log_probs(model: PreTrainedModel, answers: Sequence[Example], pad_id: int) -> Tensor:
    """logprobs_N of whole responses, from one forward; on the CPU, as few numbers are."""
    prompts, responses = [list(a.prompt_ids) for a in answers], [list(a.response_ids) for a in answers]
    return response_log_probs(model, prompts, responses, 1.0, pad_id).logprobs_BR.sum(dim=1).cpu()


@torch.no_grad()
def reference_log_probs(
    model: PreTrainedModel, groups: Sequence[AnswerGroup[Example]], pad_id: int, ranks: Ranks = ALONE
) -> list[Tensor]:
    """Of the answers of each group, under the policy as it is before training."""
    lengths, sizes = [group.length for group in groups], [len(group.places) for group in groups]
    table = [torch.zeros(size) for size in sizes]
    for micro, weight in ranks.micro_batches(range(len(groups)), lengths, sizes, REFERENCE_ANSWERS):
        answers, _ = flatten([groups[index] for index in micro])
        parts = answer_log_probs(model, answers, pad_id).split([sizes[index] for index in micro])
        for index, part in zip(micro, parts, strict=True):
            table[index] += weight * part
    return list(ranks.merge(torch.cat(table)).split(sizes))


class DpoObjective(Objective):
    def __init__(
        self,
        model: PreTrainedModel,
        groups: Sequence[AnswerGroup[Example]],
        reference: Sequence[Tensor],
        beta: float,
        pad_id: int,
    ) -> None:
        """`reference`: as of `reference_log_probs`."""
        self.model, self.groups, self.reference, self.beta, self.pad_id = model, groups, reference, beta, pad_id
        self.lengths, self.sizes = [group.length for group in groups], [len(group.places) for group in groups]
        self.weights = [group.weight for group in groups]

    def loss(self, micro: Sequence[int], total: float) -> tuple[Tensor, dict[str, float]]:
        answers, pairs = flatten([self.groups[index] for index in micro])
        logprobs_N = answer_log_probs(self.model, answers, self.pad_id)
        reference_N = torch.cat([self.reference[index] for index in micro])
        chosen, rejected, weights_N, margins_N = pairs
        terms = dpo_terms(
            logprobs_N[chosen], logprobs_N[rejected], reference_N[chosen], reference_N[rejected], margins_N, self.beta
        )
        lead_N = terms.chosen_rewards_N - terms.rejected_rewards_N
        values = {
            "loss": terms.loss_N,
            "accuracy": lead_N > 0,
            "margin": lead_N,
            "chosen_reward": terms.chosen_rewards_N,
            "rejected_reward": terms.rejected_rewards_N,
        }
        sums = {name: (weights_N * value_N).sum() / total for name, value_N in values.items()}
        return sums["loss"], {name: value.item() for name, value in sums.items()}
