"""Which examples make up which step: a plan that follows from the seed alone, so a step number is a data position."""

from collections.abc import Sequence

import numpy as np

MAX_PADDING = 256  # tokens; on a CPU another forward pass through a small model costs about as much


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation of range(count) keyed by (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count).tolist()


def stream(count: int, size: int, step: int, seed: int) -> list[int]:
    """The `size` indexes into range(count) of a 0-based step, reading one epoch after the other without end."""
    places = [divmod(place, count) for place in range(step * size, (step + 1) * size)]
    orders = {epoch: epoch_order(count, seed, epoch) for epoch in {epoch for epoch, _ in places}}
    return [orders[epoch][offset] for epoch, offset in places]


def plan(sizes: Sequence[int], batch_size: int, epochs: int, seed: int) -> list[list[int]]:
    """The batches of all epochs in order, each a list of indexes into `sizes`; see `cut`."""
    return [batch for epoch in range(epochs) for batch in cut(epoch_order(len(sizes), seed, epoch), sizes, batch_size)]


def micro_batches(indexes: Sequence[int], lengths: Sequence[int], sizes: Sequence[int], size: int) -> list[list[int]]:
    """`indexes` sorted by length, cut into pieces of `size` (0: one piece) and again where padding would cost more.

    What shares a forward pass is then of about one length.
    """
    ordered = sorted(indexes, key=lambda index: (-lengths[index], index))
    pieces = cut(ordered, sizes, size) if size else [ordered]
    return [part for piece in pieces for part in cut_by_padding(piece, lengths)]


def cut_by_padding(ordered: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Pieces, longest first, that hold at most `MAX_PADDING` tokens of padding each."""
    pieces: list[list[int]] = []
    padding = longest = 0
    for index in ordered:
        padding += longest - lengths[index]
        if not pieces or padding > MAX_PADDING:
            pieces.append([])
            padding, longest = 0, lengths[index]
        pieces[-1].append(index)
    return pieces


def cut(indexes: Sequence[int], sizes: Sequence[int], size: int) -> list[list[int]]:
    """Pieces of at least `size` examples, the last one perhaps smaller.

    An index whose entry in `sizes` is n stands for n examples that stay together, as all pairs of one prompt do, so a
    piece may hold a few examples more.
    """
    pieces: list[list[int]] = []
    filled = size
    for index in indexes:
        if filled >= size:
            pieces.append([])
            filled = 0
        pieces[-1].append(index)
        filled += sizes[index]
    return pieces
