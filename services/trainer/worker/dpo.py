"""Direct preference optimisation; the starting policy is the frozen reference, asked once before the first step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from services.data.records import Comparison
from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.log_probs import response_log_probs
from services.trainer.attempts import StageOutcome
from services.trainer.recipes import DpoSpec
from services.trainer.worker.batches import micro_batches, plan
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import Example, encode, length_limit, pad_id, require_rows
from services.trainer.worker.losses.dpo import dpo_terms
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.supervised import Losses, minimise

REFERENCE_PAIRS = 64  # pairs per forward of the reference pass


@dataclass(frozen=True)
class Pair:
    chosen: Example
    rejected: Example

    @property
    def length(self) -> int:
        return max(self.chosen.length, self.rejected.length)


def run(context: StageContext, spec: DpoSpec) -> StageOutcome:
    settings = spec.optimization
    folder = context.models.fetch(context.models.resolve(spec.policy_model))
    tokenizer, model = load_tokenizer(folder), load_causal(folder)
    limit = length_limit(model.config, tokenizer, settings.max_length)
    rows = context.records("dpo.dataset", spec.dataset, Comparison)
    encoded = [Pair(encode(tokenizer, r.prompt, r.chosen), encode(tokenizer, r.prompt, r.rejected)) for r in rows]
    pairs = [pair for pair in encoded if pair.length <= limit]
    num_long = len(encoded) - len(pairs)
    require_rows(pairs, "dpo.dataset", num_long, limit)
    batches = plan([1] * len(pairs), settings.batch_size, settings.epochs, context.seed)
    with context.stopwatch.part("reference"):
        reference = reference_log_probs(model, pairs, pad_id(tokenizer))
    losses = batch_losses(model, pairs, reference, spec.beta, pad_id(tokenizer), settings.micro_batch_size)
    metrics = minimise(context, Optimizer(model, settings, len(batches)), batches, losses)
    version = context.publish(context.result_name, model, tokenizer, step=len(batches), kind="policy")
    return context.outcome(version, metrics | {"pairs": len(pairs), "left_out_long": num_long})


def pair_log_probs(model: PreTrainedModel, pairs: Sequence[Pair], pad_id: int) -> Tensor:
    """Log-probs of whole responses, shape 2N: the chosen ones, then the rejected ones, from one forward."""
    examples = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    prompts, responses = [e.prompt_ids for e in examples], [e.response_ids for e in examples]
    return response_log_probs(model, prompts, responses, 1.0, pad_id).logprobs_BR.sum(dim=1)


@torch.no_grad()
def reference_log_probs(model: PreTrainedModel, pairs: Sequence[Pair], pad_id: int) -> Tensor:
    """Shape (number of pairs, 2): chosen and rejected under the policy as it is before training."""
    table = torch.empty(len(pairs), 2)
    lengths, ones = [pair.length for pair in pairs], [1] * len(pairs)
    for micro in micro_batches(range(len(pairs)), lengths, ones, REFERENCE_PAIRS):
        table[micro] = pair_log_probs(model, [pairs[index] for index in micro], pad_id).view(2, -1).T
    return table


def batch_losses(
    model: PreTrainedModel, pairs: list[Pair], reference: Tensor, beta: float, pad_id: int, micro_batch_size: int
) -> Losses:
    lengths, twos = [pair.length for pair in pairs], [2] * len(pairs)

    def losses(batch: list[int]) -> Iterator[tuple[Tensor, dict[str, float]]]:
        for micro in micro_batches(batch, lengths, twos, micro_batch_size):
            chosen_N, rejected_N = pair_log_probs(model, [pairs[index] for index in micro], pad_id).chunk(2)
            terms = dpo_terms(chosen_N, rejected_N, reference[micro, 0], reference[micro, 1], beta)
            loss = terms.loss_N.sum() / len(batch)
            margin_N = terms.chosen_rewards_N - terms.rejected_rewards_N
            yield (
                loss,
                {
                    "loss": loss.item(),
                    "accuracy": (margin_N > 0).sum().item() / len(batch),
                    "margin": margin_N.sum().item() / len(batch),
                    "chosen_reward": terms.chosen_rewards_N.sum().item() / len(batch),
                    "rejected_reward": terms.rejected_rewards_N.sum().item() / len(batch),
                },
            )

    return losses
