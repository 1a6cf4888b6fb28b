"""The loop that SFT, reward modelling and DPO share: batches in, steps out, a checkpoint now and then."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence

from torch import Tensor

from services.trainer.worker.checkpoints import Checkpoint
from services.trainer.worker.context import StageContext
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.ranks import ALONE, Ranks

GROUP = "model"


class Objective(ABC):
    """What is minimised: a mean over the tokens or pairs of a batch. Examples go by their indexes."""

    lengths: Sequence[int]  # tokens, of the longest sequence of each example
    sizes: Sequence[int]  # sequences of each example, which stay together
    weights: Sequence[float]  # tokens or pairs of each example

    def losses(
        self, batch: Sequence[int], micro_batch_size: int, ranks: Ranks = ALONE
    ) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """Loss and metrics of each micro-batch of this rank; over all ranks they add up to the batch's."""
        total = sum(self.weights[index] for index in batch)
        for micro, weight in ranks.micro_batches(batch, self.lengths, self.sizes, micro_batch_size):
            loss, metrics = self.loss(micro, total)
            yield loss * weight, {name: value * weight for name, value in metrics.items()}

    @abstractmethod
    def loss(self, micro: Sequence[int], total: float) -> tuple[Tensor, dict[str, float]]:
        """Loss and metrics of a part of a batch that weighs `total`."""


def minimise(
    context: StageContext, optimizer: Optimizer, batches: list[list[int]], objective: Objective
) -> dict[str, float]:
    """Takes every step that the restored checkpoint has not; returns the last step's metrics."""
    start, metrics = _restore(context, optimizer)
    total, every = len(batches), optimizer.settings.checkpoint_every
    for step, batch in enumerate(batches[start:], start + 1):
        with context.step(step):
            context.check()
            metrics = _step(context, optimizer, batch, objective)
            context.report(step, total, metrics)
            if step % every == 0 and step < total:
                context.save(Checkpoint(step, {GROUP: optimizer.tensors()}, {"metrics": metrics}))
    return metrics


def _restore(context: StageContext, optimizer: Optimizer) -> tuple[int, dict[str, float]]:
    checkpoint = context.restore()
    if checkpoint is None:
        return 0, {}
    optimizer.load(checkpoint.tensors[GROUP])
    return checkpoint.step, checkpoint.state["metrics"]


def _step(context: StageContext, optimizer: Optimizer, batch: Sequence[int], objective: Objective) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    with context.stopwatch.part("update"):
        for loss, parts in objective.losses(batch, optimizer.settings.micro_batch_size, context.ranks):
            loss.backward()
            for name, value in parts.items():
                sums[name] += value
        metrics = context.ranks.sums(sums)
        metrics["learning_rate"] = optimizer.learning_rate
        metrics["grad_norm"] = optimizer.step()
    return metrics
