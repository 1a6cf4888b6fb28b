"""PPO's update: torch, and nothing of the network."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from services.language_model.log_probs import Ids, ResponseLogProbs, response_log_probs
from services.trainer.recipes import PpoSpec
from services.trainer.worker.batches import epoch_order
from services.trainer.worker.experience import Rollout
from services.trainer.worker.losses.ppo import log_ratio, policy_terms, value_loss_sum
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ppo.batch import Batch, Targets, pad_floats, require_complete
from services.trainer.worker.ppo.side_by_side import both
from services.trainer.worker.ppo.targets import FIRST_STEP_TOLERANCE
from services.trainer.worker.ppo.value_model import ValueModel
from services.trainer.worker.ranks import ALONE, Ranks

MEASURED_AT_ONCE = 64  # sequences per forward without gradients


class Learner:
    """Owns policy and value model; each has an optimiser, a learning rate and a gradient norm of its own."""

    def __init__(
        self,
        policy: Optimizer[PreTrainedModel],
        value: Optimizer[ValueModel],
        spec: PpoSpec,
        pad_id: int,
        seed: int,
        ranks: Ranks = ALONE,
    ) -> None:
        self.policy, self.value, self.spec, self.pad_id, self.seed = policy, value, spec, pad_id, seed
        self.ranks = ranks
        self.both = both(ranks, torch.get_num_threads())

    @staticmethod
    def total_updates(spec: PpoSpec) -> int:
        return spec.steps * spec.inner_epochs * spec.minibatches

    @torch.no_grad()
    def measure(self, rollouts: Sequence[Rollout]) -> Batch:
        """Log-probs, entropy and values of every token under the weights before the update.

        Each rank measures its share and has the whole batch afterwards, so what follows is the same on all.
        """
        require_complete(rollouts)
        prompts, responses = [r.prompt_ids for r in rollouts], [r.response_ids for r in rollouts]
        behaviour_BR = pad_floats([r.log_probs for r in rollouts])
        measured_3BR = torch.zeros(3, *behaviour_BR.shape)
        lengths_B = torch.tensor([len(response) for response in responses])
        mask_BR = torch.arange(behaviour_BR.shape[1]) < lengths_B[:, None]
        lengths, ones = [len(p) + len(r) for p, r in zip(prompts, responses, strict=True)], [1] * len(rollouts)
        for rows, weight in self.ranks.micro_batches(range(len(rollouts)), lengths, ones, MEASURED_AT_ONCE):
            found_3BR = self._measure([prompts[i] for i in rows], [responses[i] for i in rows])
            measured_3BR[:, rows, : found_3BR.shape[2]] += weight * found_3BR
        logprobs_BR, entropy_BR, values_BR = self.ranks.merge(measured_3BR)
        return Batch(
            prompts,
            responses,
            mask_BR,
            logprobs_BR,
            behaviour_BR,
            pad_floats([r.reference_log_probs for r in rollouts if r.reference_log_probs]),
            entropy_BR,
            values_BR,
            torch.tensor([r.score for r in rollouts]),
            torch.tensor([r.ended for r in rollouts]),
        )

    def _measure(self, prompts: Sequence[Ids], responses: Sequence[Ids]) -> Tensor:
        """Log-probs, entropy and values, stacked."""
        found, values_BR = self.both(
            partial(self._log_probs, prompts, responses, entropy=True),
            partial(self.value.model, prompts, responses, self.pad_id),
        )
        assert found.entropy_BR is not None
        return torch.stack([found.logprobs_BR.cpu(), found.entropy_BR.cpu(), values_BR])

    def _log_probs(self, prompts: Sequence[Ids], responses: Sequence[Ids], entropy: bool = False) -> ResponseLogProbs:
        return response_log_probs(
            self.policy.model, prompts, responses, self.spec.temperature, self.pad_id, entropy=entropy
        )

    def update(self, batch: Batch, targets: Targets, step: int) -> dict[str, float]:
        """`inner_epochs` passes over the batch in `minibatches` optimiser steps each; metrics are means over those."""
        sums: dict[str, float] = defaultdict(float)
        count = 0
        for epoch in range(self.spec.inner_epochs):
            order = epoch_order(len(batch.prompts), self.seed, step * self.spec.inner_epochs + epoch)
            for rows in np.array_split(order, min(self.spec.minibatches, len(order))):
                for name, value in self._minibatch(batch, targets, rows.tolist()).items():
                    sums[name] += value
                count += 1
        return {name: value / count for name, value in sums.items()}

    def _minibatch(self, batch: Batch, targets: Targets, rows: list[int]) -> dict[str, float]:
        """One step of both optimisers; the loss is a mean over all trainable tokens of the minibatch."""
        num_tokens = int(batch.mask_BR[rows].sum())
        sums: dict[str, float] = defaultdict(float)
        size = self.spec.optimization.micro_batch_size
        for micro, weight in self.ranks.micro_batches(rows, batch.lengths, [1] * len(batch.prompts), size):
            for name, total in self._backward(batch, targets, micro, num_tokens, weight).items():
                sums[name] += weight * total.item() / num_tokens
        metrics = self.ranks.sums(sums)
        metrics["learning_rate"] = self.policy.learning_rate
        metrics["grad_norm"] = self.policy.step()
        metrics["value_grad_norm"] = self.value.step()
        return metrics

    def _backward(
        self, batch: Batch, targets: Targets, rows: list[int], num_tokens: int, weight: int = 1
    ) -> dict[str, Tensor]:
        """Gradients of one forward of each model; returns sums over tokens."""
        policy, value = self.both(
            partial(self._policy_backward, batch, targets, rows, weight / num_tokens),
            partial(self._value_backward, batch, targets, rows, weight / num_tokens),
        )
        return policy | value

    def _policy_backward(self, batch: Batch, targets: Targets, rows: list[int], scale: float) -> dict[str, Tensor]:
        found = self._log_probs([batch.prompts[i] for i in rows], [batch.responses[i] for i in rows])
        logprobs_BR, mask_BR = found.logprobs_BR.cpu(), found.mask_BR.cpu()
        old_BR, advantages_BR, weights_BR = cut(
            rows, mask_BR, batch.logprobs_BR, targets.advantages_BR, targets.weights_BR
        )
        if self.policy.taken == 0:
            furthest = log_ratio(logprobs_BR, old_BR, mask_BR).abs().max().item()
            assert furthest < FIRST_STEP_TOLERANCE, f"the ratio of the very first update is off by {furthest:.2e} nats"
        terms = policy_terms(logprobs_BR, old_BR, advantages_BR, weights_BR, mask_BR, self.spec.clip_range)
        (scale * terms.loss).backward()
        return {"policy_loss": terms.loss, "clip_fraction": terms.clipped, "approx_kl": terms.approx_kl}

    def _value_backward(self, batch: Batch, targets: Targets, rows: list[int], scale: float) -> dict[str, Tensor]:
        prompts, responses = [batch.prompts[i] for i in rows], [batch.responses[i] for i in rows]
        values_BR = self.value.model(prompts, responses, self.pad_id)
        old_BR, returns_BR, mask_BR = cut(rows, values_BR, batch.values_BR, targets.returns_BR, batch.mask_BR)
        value_sum = value_loss_sum(values_BR, old_BR, returns_BR, mask_BR, self.spec.value_clip_range)
        (scale * self.spec.value_coefficient * value_sum).backward()
        return {"value_loss": value_sum}


def cut(rows: list[int], like_BR: Tensor, *tensors_BR: Tensor) -> list[Tensor]:
    """These rows of tensors of the whole batch, as wide as `like_BR`."""
    return [tensor_BR[rows, : like_BR.shape[1]] for tensor_BR in tensors_BR]
