"""The attention cache of continuous batching: one row per running sequence, kept dense.

Each layer holds keys and values as [S, H, L, D]: S rows of L positions, allocated ahead and grown by doubling. A
sequence writes at its own position, and attention reads the first rows up to the longest sequence as a view: a decode
step copies one token per row and layer, where the growing cache of `generate` copies everything. When a sequence
leaves, the last row moves into its place.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

FIRST_ROWS, FIRST_LENGTH = 1, 128


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer; where to write is the cache's business."""

    is_sliding = False

    def __init__(self, slots: "SlotCache") -> None:
        super().__init__()
        self.slots = slots

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys = _resized(key_states[:0, :, :0], *self.slots.capacity)
        self.values = _resized(value_states[:0, :, :0], *self.slots.capacity)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        slots = self.slots
        if slots.columns_B is None:  # prefill: whole prompts, which attend to nothing but themselves
            end, length = slots.rows + key_states.shape[0], key_states.shape[2]
            self.keys[slots.rows : end, :, :length] = key_states
            self.values[slots.rows : end, :, :length] = value_states
            return key_states, value_states
        self.keys[slots.rows_B, :, slots.columns_B] = key_states[:, :, 0]
        self.values[slots.rows_B, :, slots.columns_B] = value_states[:, :, 0]
        return self.keys[: slots.rows, :, : slots.longest], self.values[: slots.rows, :, : slots.longest]

    def resize(self, rows: int, length: int) -> None:
        if self.keys is not None and self.values is not None:
            self.keys, self.values = _resized(self.keys, rows, length), _resized(self.values, rows, length)

    def copy_rows(self, sources: Tensor, start: int, length: int) -> None:
        """Rows `start...` become copies of the first `length` positions of rows `sources`."""
        assert self.keys is not None
        assert self.values is not None
        for states in (self.keys, self.values):
            states[start : start + len(sources), :, :length] = states[sources, :, :length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return query_length, 0  # asked for at prefill alone: decode brings its own mask

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return -1


class SlotCache(Cache):
    """Rows 0 ... rows-1 are in use; `lengths_S` counts the tokens each holds. It grows up to `most` rows and tokens."""

    def __init__(self, model: PreTrainedModel, most: tuple[int, int] = (1 << 20, 1 << 20)) -> None:
        self.slot_layers = [SlotLayer(self) for _ in range(model.config.get_text_config().num_hidden_layers)]
        super().__init__(layers=list(self.slot_layers))
        self.rows = 0
        self.most = most
        self.capacity = (min(FIRST_ROWS, most[0]), min(FIRST_LENGTH, most[1]))
        self.lengths_S = torch.zeros(self.capacity[0], dtype=torch.int64, device=model.device)
        self.hidden = torch.finfo(model.dtype).min
        self.mask_SL = torch.full(self.capacity, self.hidden, dtype=model.dtype, device=model.device)
        self.rows_B = torch.arange(0, device=model.device)
        self.columns_B: Tensor | None = None  # where a decode step writes; None while prompts come in
        self.longest = 0

    def grown(self, rows: int, length: int) -> tuple[int, int]:
        """The capacity with room for so many rows of such a length."""
        wanted = zip(self.capacity, (rows, length), self.most, strict=True)
        rows, length = (min(_doubled(size, least), most) for size, least, most in wanted)
        return rows, length

    def begin_prefill(self, rows: int, length: int) -> None:
        """Make room for `rows` more rows of up to `length` tokens; the next forward fills the first of them."""
        self.columns_B = None
        self._reserve(self.rows + rows, length)

    def join(self, lengths: list[int], copies: list[int]) -> None:
        """Take the prefilled rows, of these lengths, into use; then add a copy of each of them named in `copies`."""
        start = self.rows
        all_lengths = [*lengths, *(lengths[i] for i in copies)]
        self.rows += len(all_lengths)
        lengths_J = torch.tensor(all_lengths, device=self.lengths_S.device)
        self.lengths_S[start : self.rows] = lengths_J
        beyond_JL = torch.arange(self.capacity[1], device=lengths_J.device) >= lengths_J[:, None]
        self.mask_SL[start : self.rows] = beyond_JL * self.hidden
        if copies:
            sources = torch.tensor(copies, device=lengths_J.device) + start
            for layer in self.slot_layers:
                layer.copy_rows(sources, start + len(lengths), max(lengths))

    def begin_decode(self) -> tuple[Tensor, Tensor]:
        """position_ids_B1 and the additive mask_B11L for one more token in every row."""
        self.columns_B = self.lengths_S[: self.rows].clone()
        self.longest = int(self.columns_B.max()) + 1
        self._reserve(self.rows, self.longest)
        self.rows_B = torch.arange(self.rows, device=self.columns_B.device)
        self.mask_SL[self.rows_B, self.columns_B] = 0
        self.lengths_S[: self.rows] += 1
        return self.columns_B[:, None], self.mask_SL[: self.rows, None, None, : self.longest]

    @property
    def token_bytes(self) -> int:
        """Of keys and values of one token, in all layers."""
        states = [tensor for layer in self.slot_layers for tensor in (layer.keys, layer.values) if tensor is not None]
        return sum(tensor[:1, :, :1].nbytes for tensor in states)

    def remove(self, row: int) -> None:
        """The last row takes the place of `row`."""
        self.rows -= 1
        if row < self.rows:
            length = int(self.lengths_S[self.rows])
            self.lengths_S[row] = length
            self.mask_SL[row] = self.mask_SL[self.rows]
            last = torch.tensor([self.rows], device=self.lengths_S.device)
            for layer in self.slot_layers:
                layer.copy_rows(last, row, length)

    def _reserve(self, rows: int, length: int) -> None:
        wanted = self.grown(rows, length)
        if wanted != self.capacity:
            self.capacity = wanted
            self.lengths_S = torch.nn.functional.pad(self.lengths_S, (0, wanted[0] - len(self.lengths_S)))
            grow = (0, wanted[1] - self.mask_SL.shape[1], 0, wanted[0] - self.mask_SL.shape[0])
            self.mask_SL = torch.nn.functional.pad(self.mask_SL, grow, value=self.hidden)
            for layer in self.slot_layers:
                layer.resize(*wanted)


def _resized(states: Tensor, rows: int, length: int) -> Tensor:
    """Zero where new: a masked position still meets its value times 0, and 0 times garbage may be NaN."""
    grown = states.new_zeros(rows, states.shape[1], length, states.shape[3])
    grown[: states.shape[0], :, : states.shape[2]] = states
    return grown


def _doubled(size: int, least: int) -> int:
    while size < least:
        size *= 2
    return size
