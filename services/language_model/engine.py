"""Continuous batching: sequences join and leave between decode steps, each with its own settings.

A step admits what is waiting, prefills it, then decodes one token for every running sequence. The engine is not
thread-safe: one thread adds, steps and, while nothing runs, swaps weights.
"""

import copy
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.language_model.generation import Event, Generation, Request, Running
from services.language_model.incremental_text import IncrementalText
from services.language_model.kv_cache import SlotCache
from services.language_model.log_probs import head_sees_only, pad_right
from services.language_model.sampling import BatchParams, request_key, sample, uniforms
from services.language_model.support import check_support, context_length
from services.runtime.errors import InvalidInput, Problem

PREFILL_TOKENS = 8192  # of one forward pass, padding included: bounds its memory


@dataclass
class Draws:
    """The state of sampling for a fixed list of rows."""

    params: BatchParams
    keys_B: NDArray[np.uint64]
    positions_B: NDArray[np.int64]  # tokens sampled so far
    ids_B: Tensor  # sampled last

    @classmethod
    def of(cls, rows: Sequence[Running], device: torch.device) -> "Draws":
        return cls(
            BatchParams.of([row.request.params for row in rows]),
            np.array([row.key for row in rows], dtype=np.uint64),
            np.array([len(row.ids) for row in rows], dtype=np.int64),
            torch.tensor([row.ids[-1] if row.ids else 0 for row in rows], device=device),
        )

    def next(self, logits_BV: Tensor) -> list[tuple[int, float]]:
        """A token and its log-prob for every row."""
        self.ids_B, logprobs_B = sample(logits_BV, self.params, uniforms(self.keys_B, self.positions_B))
        self.positions_B += 1
        return list(zip(self.ids_B.tolist(), logprobs_B.tolist(), strict=True))


class Engine:
    """Generates for any causal language model with standard attention; raises InvalidInput for another.

    `max_context` (tokens, prompt and response together) is the model's own, within its sliding window if it has one,
    unless given; a response that reaches it finishes with "length". Memory for keys and values grows with what runs, up
    to `max_slots` sequences and within `max_cache_bytes`, for which sequences wait and which also bounds the context.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        max_slots: int = 256,
        max_context: int | None = None,
        max_cache_bytes: int = 1 << 62,
    ) -> None:
        longest = context_length(model.config)
        if max_context is not None and max_context > longest:
            raise InvalidInput(Problem("max_context", str(max_context), f"at most the model's {longest}"))
        self.max_cache_tokens = max_cache_bytes // check_support(model)
        self.model, self.tokenizer = model, tokenizer
        self.max_slots, self.max_context = max_slots, min(max_context or longest, self.max_cache_tokens)
        self._clear()

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def first_waiting(self) -> int:
        """The handle that waits longest; -1 where none does."""
        return self._waiting[0].handle if self._waiting else -1

    @property
    def busy(self) -> bool:
        return bool(self._running or self._waiting)

    def add(self, request: Request) -> int:
        """Queue a request; returns its handle. Raises InvalidInput for a prompt that leaves no room or odd ids."""
        self._check(request.prompt_ids)
        limit = min(request.params.max_new_tokens, self.max_context - len(request.prompt_ids))
        watched = request.stream or request.params.stop
        text = IncrementalText(self.tokenizer, request.params.stop) if watched else None
        key = request_key(request.params.seed, request.prompt_index, request.sample_index)
        running = Running(next(self._handles), request, key, limit, text)
        self._waiting.append(running)
        return running.handle

    @torch.inference_mode()
    def abort(self, handle: int) -> None:
        """Forget a request; nothing happens when it has finished."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting.handle != handle)
        for row, running in enumerate(self._running):
            if running.handle == handle:
                self._leave(row)
                return

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """One token for every running sequence, after admitting what fits."""
        joining = self._take_waiting()
        if joining:
            self._prefill(joining)
        events = self._settle()
        if self._running:
            self._decode()
            events += self._settle()
        return events

    def generate(self, requests: Sequence[Request], static: bool = False) -> list[Generation]:
        """All requests from start to end, in their order, on an engine with nothing else to do.

        `static` starts from an empty state, beside whatever runs: the same requests give the same bits.
        """
        if static:
            return self.fresh().generate(requests)
        assert not self.busy
        handles = [self.add(request) for request in requests]
        finished: dict[int, Generation] = {}
        while self.busy:
            finished |= {event.handle: event.generation for event in self.step() if event.generation}
        return [finished[handle] for handle in handles]

    def _clear(self) -> None:
        self._handles = itertools.count()
        self._waiting: deque[Running] = deque()
        self._running: list[Running] = []  # by cache row
        self._slots = self._empty_slots()
        self._draws: Draws | None = None  # of all running rows; None when these have changed

    def fresh(self) -> "Engine":
        """Another engine over the same weights, with nothing waiting, nothing running and memory of its own."""
        engine = copy.copy(self)
        engine._clear()
        return engine

    def _empty_slots(self) -> SlotCache:
        return SlotCache(self.model, most=(self.max_slots, self.max_context))

    def _check(self, prompt_ids: Sequence[int]) -> None:
        rows = self.model.get_input_embeddings().get_parameter("weight").shape[0]
        if not 1 <= len(prompt_ids) < self.max_context:
            expected = f"1 to {self.max_context - 1} tokens: the context less one to generate"
            raise InvalidInput(Problem("prompt", f"{len(prompt_ids)} tokens", expected))
        if not 0 <= min(prompt_ids) <= max(prompt_ids) < rows:
            given = f"ids {min(prompt_ids)} to {max(prompt_ids)}"
            raise InvalidInput(Problem("prompt.token_ids", given, f"ids of the model's vocabulary, 0 to {rows - 1}"))

    def _take_waiting(self) -> list[Running]:
        """As many as there are free slots, within the memory for them and the token budget of one prefill."""
        joining: list[Running] = []
        longest = 0
        if not self._running and self._waiting and not self._fits([self._waiting[0]]):
            self._slots = self._empty_slots()  # wide from what ran before, where length is needed now
        while self._waiting and len(self._running) + len(joining) < self.max_slots:
            longest = max(longest, len(self._waiting[0].request.prompt_ids))
            if joining and longest * (len(joining) + 1) > PREFILL_TOKENS:
                break
            if not self._fits([*joining, self._waiting[0]]):
                break
            joining.append(self._waiting.popleft())
        return joining

    def _fits(self, joining: Sequence[Running]) -> bool:
        """Whether the slots stay within their memory however long all responses become."""
        rows, length = len(self._running) + len(joining), max(r.most_tokens for r in (*self._running, *joining))
        rows, length = self._slots.grown(rows, length)
        return rows * length <= self.max_cache_tokens

    def _prefill(self, joining: list[Running]) -> None:
        """Each distinct prompt once; samples of one prompt copy its keys and values."""
        firsts: dict[tuple[int, ...], Running] = {}
        others: list[Running] = []
        for running in joining:
            if firsts.setdefault(tuple(running.request.prompt_ids), running) is not running:
                others.append(running)
        prompts = list(firsts)
        place = {prompt: i for i, prompt in enumerate(prompts)}
        copies = [place[tuple(running.request.prompt_ids)] for running in others]
        self._slots.begin_prefill(len(joining), max(map(len, prompts)))
        logits_UV = self._last_logits(prompts)
        self._slots.join([len(prompt) for prompt in prompts], copies)
        rows = [*firsts.values(), *others]
        self._running += rows
        self._draws = None
        self._push(rows, Draws.of(rows, self.model.device), logits_UV[[*range(len(prompts)), *copies]])

    def _last_logits(self, prompts: list[tuple[int, ...]]) -> Tensor:
        ids_UT, mask_UT = (tensor.to(self.model.device) for tensor in pad_right(prompts, pad_id=0))
        last_UT = mask_UT & (mask_UT.cumsum(dim=1) == mask_UT.sum(dim=1, keepdim=True))
        with head_sees_only(self.model, last_UT):
            return self.model(input_ids=ids_UT, past_key_values=self._slots, use_cache=True).logits

    def _decode(self) -> None:
        if self._draws is None:
            self._draws = Draws.of(self._running, self.model.device)
        position_ids_B1, mask_B11L = self._slots.begin_decode()
        logits_B1V = self.model(
            input_ids=self._draws.ids_B[:, None],
            position_ids=position_ids_B1,
            attention_mask=mask_B11L,
            past_key_values=self._slots,
            use_cache=True,
        ).logits
        self._push(self._running, self._draws, logits_B1V[:, 0])

    def _push(self, rows: Sequence[Running], draws: Draws, logits_BV: Tensor) -> None:
        end = self.tokenizer.eos_token_id
        assert isinstance(end, int)
        for running, (token, log_prob) in zip(rows, draws.next(logits_BV), strict=True):
            running.push(token, log_prob, end)

    def _settle(self) -> list[Event]:
        """Pieces for those who stream; what has finished leaves."""
        events: list[Event] = []
        for row in reversed(range(len(self._running))):  # so that the row that moves up has been looked at
            running = self._running[row]
            finished = running.finish_reason is not None
            piece = running.take_piece()
            if finished:
                self._leave(row)
            if piece or finished:
                events.append(Event(running.handle, piece, running.generation(self.tokenizer) if finished else None))
        return events

    def _leave(self, row: int) -> None:
        self._slots.remove(row)
        self._running[row] = self._running[-1]
        self._running.pop()
        self._draws = None
