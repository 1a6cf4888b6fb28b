"""The loop that SFT, reward modelling and DPO share: batches in, steps out, a checkpoint now and then."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from torch import Tensor

from services.trainer.worker.checkpoints import Checkpoint
from services.trainer.worker.context import StageContext
from services.trainer.worker.optimizer import Optimizer

# Loss and metrics of each micro-batch of a batch, given by its indexes. They add up to the batch's.
Losses = Callable[[list[int]], Iterator[tuple[Tensor, dict[str, float]]]]

GROUP = "model"


def minimise(context: StageContext, optimizer: Optimizer, batches: list[list[int]], losses: Losses) -> dict[str, float]:
    """Takes every step that the restored checkpoint has not; returns the last step's metrics."""
    start, metrics = _restore(context, optimizer)
    total, every = len(batches), optimizer.settings.checkpoint_every
    for step, batch in enumerate(batches[start:], start + 1):
        context.check()
        metrics = _step(context, optimizer, losses(batch))
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


def _step(
    context: StageContext, optimizer: Optimizer, losses: Iterator[tuple[Tensor, dict[str, float]]]
) -> dict[str, float]:
    metrics: dict[str, float] = defaultdict(float)
    with context.stopwatch.part("update"):
        for loss, parts in losses:
            loss.backward()
            for name, value in parts.items():
                metrics[name] += value
        metrics["learning_rate"] = optimizer.learning_rate
        metrics["grad_norm"] = optimizer.step()
    return dict(metrics)
