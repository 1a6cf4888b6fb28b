"""The processes of one attempt, as the stages see them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from services.trainer.worker import batches

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=nn.Module)


class RankLost(Exception):
    """Another rank ended: killed, or with a word that is rank 0's to pass on."""


class OtherRankFailed(Exception):
    """In the words of that rank."""


def as_it_is(value: Any) -> Any:
    return value


class Ranks:
    """All ranks walk through the same stage and compute; rank 0 alone talks to services and to object storage.

    This one is alone, and every method is the plain thing; `distributed.Group` is one of several.
    """

    rank, size = 0, 1
    leads_node = True  # one process of each machine does

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")

    def first(self, action: Callable[[], T], read: Callable[[Any], T] = as_it_is) -> T:
        """What `action` returns on rank 0, on every rank; what it raises there ends all of them.

        The others are told in JSON, dataclasses as objects, and `read` makes the value of it.
        """
        return action()

    def fetch(self, action: Callable[[], Path]) -> Path:
        """The file or folder that rank 0 fetched into the scratch folder, where this rank can read it."""
        return action()

    def discard(self, path: Path, remove: Callable[[Path], None]) -> None:
        """Removes what was fetched, once every rank has read it."""
        remove(path)

    def shard(self, model: ModelT, *called: nn.Module) -> ModelT:
        """The same model on this rank's device. `called`: the modules that are called from outside, if not the model.

        Gradients are summed over ranks: a loss is divided by the tokens (or pairs) of the whole batch.
        """
        return model.to(self.device)

    def micro_batches(
        self, indexes: Sequence[int], lengths: Sequence[int], sizes: Sequence[int], size: int
    ) -> list[tuple[list[int], int]]:
        """This rank's share of `batches.micro_batches`, each with its weight: 1, or 0 for one that only fills up.

        All ranks do equally many forwards, as each is a meeting of all; results of weight 0 must count for nothing.
        """
        return [(micro, 1) for micro in batches.micro_batches(indexes, lengths, sizes, size)]

    def sums(self, values: Mapping[str, float]) -> dict[str, float]:
        """Over ranks, which all name the same values."""
        return dict(values)

    def merge(self, tensor: Tensor) -> Tensor:
        """The sum over ranks."""
        return tensor

    def leave_word(self, words: str) -> None:
        """For rank 0, which is about to lose this rank."""

    def cause(self, error: Exception) -> Exception:
        """What lies behind an error: with several ranks it may be the failure of another one."""
        return error


ALONE = Ranks()
