"""Checkpoints: named groups of tensors as safetensors and a JSON state, published whole or not at all."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from services.storage import published
from services.storage.published import publish, unpublish
from services.trainer.attempts import STATE, Attempt

KEPT = 2  # the newest may turn out to be the one that a successor cannot read
RNG = "rng"


@dataclass(frozen=True)
class Checkpoint:
    """All that a stage needs to go on after `step` as if nothing had happened. `step` is the data position too."""

    step: int
    tensors: dict[str, dict[str, Tensor]]  # e.g. {"policy": Optimizer.tensors(), "value": ...}
    state: dict[str, Any]


def save(attempt: Attempt, stage: str, checkpoint: Checkpoint, work_dir: Path) -> None:
    """Publishes the checkpoint with torch's random state beside it, then drops all but the newest `KEPT`."""
    with tempfile.TemporaryDirectory(dir=work_dir) as name:
        folder = Path(name)
        groups = checkpoint.tensors | {RNG: {"torch": torch.get_rng_state()}}
        for group, tensors in groups.items():
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / f"{group}.safetensors")
        (folder / STATE).write_text(json.dumps(checkpoint.state))
        publish(attempt.store, attempt.checkpoint_prefix(stage, checkpoint.step), folder, {"step": checkpoint.step})
    for step in attempt.checkpoint_steps(stage)[:-KEPT]:
        unpublish(attempt.store, attempt.checkpoint_prefix(stage, step))


def fetch(attempt: Attempt, stage: str, step: int, work_dir: Path) -> Path:
    """The folder of a complete checkpoint, verified; errors as of `published.fetch`."""
    folder = work_dir / f"{stage}-{step:08d}"
    published.fetch(attempt.store, attempt.checkpoint_prefix(stage, step), folder)
    return folder


def read(folder: Path, step: int) -> Checkpoint:
    """Sets torch's random state, too."""
    tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
    state = json.loads((folder / STATE).read_text())
    torch.set_rng_state(tensors.pop(RNG)["torch"])
    return Checkpoint(step, tensors, state)
