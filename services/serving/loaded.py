"""A model with its tokenizer, as the pools hold it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from safetensors import safe_open
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.language_model.tokens import tokenizer_digest

# Models without learned positions name no limit; a request still needs one.
CONTEXT_WITHOUT_LIMIT = 32768


@dataclass(eq=False)
class Loaded:
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @cached_property
    def tokenizer_digest(self) -> str:
        return tokenizer_digest(self.tokenizer)

    @cached_property
    def context(self) -> int:
        """Tokens of prompt and response together."""
        named = getattr(self.model.config, "max_position_embeddings", None) or CONTEXT_WITHOUT_LIMIT
        return min(int(named), self.tokenizer.model_max_length)

    @cached_property
    def vocabulary(self) -> int:
        return self.model.get_input_embeddings().weight.shape[0]  # type: ignore[union-attr,return-value]

    @cached_property
    def pad_id(self) -> int:
        """Which id pads makes no difference, as padding is found by length; it only has to exist."""
        return int(self.tokenizer.pad_token_id or 0)  # type: ignore[arg-type]

    @property
    def memory_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (*self.model.parameters(), *self.model.buffers()))


def weight_bytes(folder: Path) -> int:
    """Of the weights in the folder once they are in memory as float32, whatever the files hold."""
    return sum(4 * count for path in folder.glob("*.safetensors") for count in _counts(path))


def _counts(path: Path) -> Iterator[int]:
    """Numbers in each tensor."""
    with safe_open(path, "pt") as file:
        for name in file.keys():  # noqa: SIM118
            yield math.prod(file.get_slice(name).get_shape())
