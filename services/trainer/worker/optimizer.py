"""AdamW with warm-up and linear decay, together with the model it drives; a checkpoint holds both as tensors."""

from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from services.trainer.recipes import Updates
from services.trainer.worker.sharding import collected, placed, whole

ModelT = TypeVar("ModelT", bound=nn.Module)

LEAST_STEPS_PER_WARMUP = 5  # a run of few steps would else end before its warm-up does
EPSILON = 1e-5  # Huang et al. 2024: with 1e-8 the first steps of PPO are too large


def learning_rate_factor(step: int, total_steps: int, warmup_steps: int) -> float:
    """Share of the peak rate at the 0-based `step`: up over the warm-up, then down in a line to 0."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))


class Optimizer(Generic[ModelT]):
    """Steps one model; how many steps it has taken is part of its state."""

    def __init__(self, model: ModelT, settings: Updates, total_steps: int, learning_rate: float | None = None):
        self.model, self.settings, self.total_steps, self.taken = model, settings, total_steps, 0
        self.peak = settings.learning_rate if learning_rate is None else learning_rate
        self.parameters = dict(model.named_parameters())  # tied weights once
        self.adamw = torch.optim.AdamW(self._groups(), lr=self.peak, eps=EPSILON, fused=True)

    def _groups(self) -> list[dict]:
        """Weight decay is for matrices; norms and biases have none."""
        matrices = [p for p in self.parameters.values() if p.ndim >= 2]
        vectors = [p for p in self.parameters.values() if p.ndim < 2]
        decays = [(matrices, self.settings.weight_decay), (vectors, 0.0)]
        return [{"params": params, "weight_decay": decay} for params, decay in decays if params]

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        warmup_steps = min(self.settings.warmup_steps, self.total_steps // LEAST_STEPS_PER_WARMUP)
        return self.peak * learning_rate_factor(self.taken, self.total_steps, warmup_steps)

    def step(self) -> float:
        """One update from the gradients at hand, which are then cleared; returns their norm before clipping.

        Raises RuntimeError when the norm is not finite: a failed run is worth more than a model full of NaN.
        """
        parameters = self.parameters.values()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = whole(nn.utils.get_total_norm(gradients, error_if_nonfinite=True))
        nn.utils.clip_grads_with_norm_(parameters, self.settings.max_grad_norm, norm)
        for group in self.adamw.param_groups:
            group["lr"] = self.learning_rate
        self.adamw.step()
        self.adamw.zero_grad()
        self.taken += 1
        return float(norm)

    def tensors(self) -> dict[str, Tensor]:
        """`model.<parameter>`, `adamw.<parameter>.<state>` and `taken`. Buffers follow from the model's config.

        Whatever the number of ranks: whole tensors, on rank 0.
        """
        model = {f"model.{name}": collected(parameter.detach()) for name, parameter in self.parameters.items()}
        adamw = {
            f"adamw.{name}.{key}": collected(value)
            for name, parameter in self.parameters.items()
            for key, value in self.adamw.state.get(parameter, {}).items()
        }
        return {**model, **adamw, "taken": torch.tensor(self.taken)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`, for a model built from the same spec."""
        self.taken = int(tensors["taken"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(placed(tensors[f"model.{name}"], parameter))
        for key, tensor in sorted(tensors.items()):
            kind, _, rest = key.partition(".")
            if kind == "adamw":
                name, _, state = rest.rpartition(".")
                parameter = self.parameters[name]
                # A count of steps is one number, which is not sharded.
                self.adamw.state[parameter][state] = (
                    placed(tensor, parameter) if tensor.ndim else tensor.to(parameter.device)
                )
