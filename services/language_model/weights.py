"""Swaps the weights of a model that is in memory: in place, so that whoever holds the model sees the new ones."""

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PreTrainedModel

from services.language_model.loading import LOCAL
from services.runtime.errors import InvalidInput, Problem

Shape = tuple[int, ...]


@torch.no_grad()
def load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Copy the safetensors of `folder` into `model`; nothing must run the model meanwhile.

    Raises InvalidInput, before anything is changed, unless the folder holds exactly the model's weights by name and
    shape (weights tied to another may be left out). A second copy is in memory only for the few architectures whose
    files name weights otherwise than their modules do (GPT-NeoX, mixtures of experts).
    """
    state = model.state_dict()
    files = sorted(folder.glob("*.safetensors"))
    shapes = _shapes(files)
    if not shapes.keys() <= state.keys():
        for name, tensor in _renamed(model, folder).items():
            state[name].copy_(tensor)
        return
    _check(state, shapes, folder)
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (no mapping)
                state[name].copy_(tensors.get_tensor(name))


def _shapes(files: list[Path]) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            shapes |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    return shapes


def _check(state: dict[str, torch.Tensor], shapes: dict[str, Shape], folder: Path) -> None:
    covered = {state[name].data_ptr() for name in shapes}
    wrong = [name for name, shape in shapes.items() if tuple(state[name].shape) != shape]
    wrong += [name for name, tensor in state.items() if tensor.data_ptr() not in covered]
    _refuse(wrong, folder)


def _renamed(model: PreTrainedModel, folder: Path) -> dict[str, torch.Tensor]:
    """The folder's weights under the names of the modules, as transformers maps them."""
    architecture: Any = type(model)
    other, info = architecture.from_pretrained(
        folder,
        config=model.config,
        dtype=model.dtype,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **LOCAL,
    )
    mismatched = [name for name, *_ in info["mismatched_keys"]]
    _refuse([*info["missing_keys"], *info["unexpected_keys"], *mismatched], folder)
    return other.state_dict()


def _refuse(wrong: list[str], folder: Path) -> None:
    if wrong:
        names = ", ".join(sorted(wrong)[:5])
        raise InvalidInput(
            Problem("weights", f"{folder.name} differs in {names}", "the weights of the model in memory")
        )
