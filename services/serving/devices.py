"""Where a process computes with its models."""

import torch

AUTO = "auto"


def device_of(name: str) -> torch.device:
    """`auto` is the first GPU that torch sees, else the CPU."""
    if name == AUTO:
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    return torch.device(name)


def usable(name: str) -> bool:
    if name == AUTO:
        return True
    try:
        device = torch.device(name)
    except RuntimeError:
        return False
    return device.type == "cpu" or (device.type == "cuda" and (device.index or 0) < torch.cuda.device_count())
