"""Tensors in and out of their shards; a tensor that is not sharded stays what it is."""

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def collected(tensor: Tensor) -> Tensor:
    """The whole tensor where it can be stored: on the CPU of rank 0. Empty on the others."""
    if not isinstance(tensor, DTensor):
        return tensor
    full = tensor.full_tensor()
    return full.cpu() if dist.get_rank() == 0 else full.new_empty(0)


def state_dict(model: nn.Module) -> dict[str, Tensor] | None:
    """Collected, with tied weights as one tensor; None of a model that is not sharded."""
    parts = model.state_dict(keep_vars=True)
    if not any(isinstance(part, DTensor) for part in parts.values()):
        return None
    whole_parts = {id(part): collected(part.detach()) for part in parts.values()}
    return {name: whole_parts[id(part)] for name, part in parts.items()}


def placed(tensor: Tensor, like: Tensor) -> Tensor:
    """The whole `tensor`, which every rank has, on the device of `like` and cut as it is."""
    tensor = tensor.to(like.device)
    if isinstance(like, DTensor):
        return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
    return tensor
