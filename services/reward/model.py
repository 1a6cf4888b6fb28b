"""A reward model and how an item becomes its input."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from services.language_model.loading import load_reward, load_tokenizer
from services.language_model.scoring import encode_for_reward, encode_sequence, is_encoder, response_part
from services.runtime.errors import InvalidInput, Problem
from services.serving.loaded import Loaded
from services.serving.prompts import Prompt, check_ids, prompt_ids

Response = list[int] | str


@dataclass(frozen=True)
class ScoreItem:
    prompt: Prompt
    response: Response
    prompt_field: str  # what its sender calls them, for errors
    response_field: str
    sequence: str = ""  # instead of both: a chat template's output, special tokens spelled out

    @property
    def holds_ids(self) -> bool:
        return not self.sequence and (isinstance(self.prompt, list) or isinstance(self.response, list))


@dataclass(frozen=True)
class Encoded:
    """A sequence that fits the model's context, or why there is none."""

    ids: list[int]
    truncated: bool = False
    error: str = ""


class RewardModel(Loaded):
    @classmethod
    def load(cls, folder: Path, device: torch.device) -> "RewardModel":
        return cls(load_reward(folder, device=device), load_tokenizer(folder))

    @cached_property
    def encoder(self) -> bool:
        return is_encoder(self.model)

    @cached_property
    def offset(self) -> float:
        return float(getattr(self.model.config, "reward_offset", 0.0))

    def encode(self, item: ScoreItem) -> Encoded:
        """Raises InvalidInput naming the field that this model cannot take."""
        if item.sequence:
            return self._whole(encode_sequence(self.tokenizer, item.sequence))
        prompt = prompt_ids(self, item.prompt, item.prompt_field)
        if isinstance(item.prompt, tuple) and isinstance(item.response, str):
            return self._fit(encode_for_reward(self.tokenizer, item.prompt, item.response), item)
        if self.encoder:
            raise InvalidInput(Problem(item.response_field, "token ids", "texts: this reward model is an encoder"))
        return self._fit(prompt + self._response_ids(item), item)

    def _whole(self, ids: list[int]) -> Encoded:
        """Nobody knows where its response begins, so nothing can be cut."""
        if len(ids) > self.context:
            return Encoded([], error=f"{len(ids)} tokens are more than the context of {self.context}")
        return Encoded(ids)

    def _response_ids(self, item: ScoreItem) -> list[int]:
        if isinstance(item.response, str):
            return response_part(self.tokenizer, item.response)
        check_ids(self, item.response, item.response_field)
        return item.response

    def _fit(self, ids: list[int], item: ScoreItem) -> Encoded:
        """The start of the prompt goes, a beginning token stays; a response is scored whole or not at all."""
        if len(ids) <= self.context:
            return Encoded(ids)
        opening = ids[:1] if ids[0] in (self.tokenizer.bos_token_id, self.tokenizer.cls_token_id) else []
        room = self.context - len(opening)
        if len(self._response_ids(item)) > room:
            return Encoded([], error=f"the response alone is longer than the context of {self.context} tokens")
        return Encoded(opening + ids[-room:], truncated=True)
