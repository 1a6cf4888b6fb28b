"""What making the base model and making the base encoder share."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch

WARMUP_STEPS = 50


def repeatable(description: str | None, out: Path, seed: int) -> Path:
    """Reads where to write, by default `out`, and makes torch give the same bytes on the same machine."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=out)
    chosen = parser.parse_args().out
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # one thread adds in one order
    torch.use_deterministic_algorithms(True)
    return chosen


def warm_cosine(steps: int, floor: float) -> Callable[[int], float]:
    """The factor of the learning rate at a step: up, then down to `floor` along a cosine."""

    def factor(step: int) -> float:
        fall = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * step / steps))
        return min(1.0, (step + 1) / WARMUP_STEPS) * fall

    return factor
