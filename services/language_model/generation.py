"""What is asked of the engine, what comes back, and a sequence on its way from one to the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from services.language_model.chat import decode_response
from services.language_model.incremental_text import IncrementalText
from services.language_model.sampling import SamplingParams

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Request:
    prompt_ids: Sequence[int]
    params: SamplingParams
    prompt_index: int = 0
    sample_index: int = 0  # with the seed and the prompt's index the key of its randomness
    stream: bool = False  # events for every piece of text, not for the end alone


@dataclass(frozen=True)
class Generation:
    """Every sampled token is in `response_ids`: also the end-of-sequence token, and those that spell a stop text.

    `text` is without special tokens and ends before the stop text.
    """

    response_ids: list[int]
    log_probs: list[float]  # of response_ids, from temperature-scaled logits before top-p and top-k
    finish_reason: FinishReason
    text: str


class Event(NamedTuple):
    handle: int
    piece: str  # text since the last event of a streaming request
    generation: Generation | None  # when finished


@dataclass
class Running:
    """A sequence from `add` to its end."""

    handle: int
    request: Request
    key: np.uint64  # of its randomness
    limit: int  # new tokens at most
    text: IncrementalText | None  # where text matters before the end
    ids: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    @property
    def most_tokens(self) -> int:
        """Of prompt and response together."""
        return len(self.request.prompt_ids) + self.limit

    def push(self, token: int, log_prob: float, end: int) -> None:
        self.ids.append(token)
        self.log_probs.append(log_prob)
        if self.text is not None:
            self.text.push(token)
        if token == end or (self.text is not None and self.text.stopped):
            self.finish_reason = "stop"
        elif len(self.ids) >= self.limit:
            self.finish_reason = "length"

    def take_piece(self) -> str:
        if self.text is None or not self.request.stream:
            return ""
        if self.finish_reason:
            self.text.finish()
        return self.text.take(finished=self.finish_reason is not None)

    def generation(self, tokenizer: PreTrainedTokenizerBase) -> Generation:
        assert self.finish_reason is not None
        if self.text is not None:
            self.text.finish()
        text = decode_response(tokenizer, self.ids) if self.text is None else self.text.text
        return Generation(self.ids, self.log_probs, self.finish_reason, text)
