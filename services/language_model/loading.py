"""Models and tokenizers in and out of Hugging Face folders: safetensors only, never remote code."""

import math
import threading
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from services.runtime.errors import InvalidInput, Problem

# While transformers loads a model it switches weight tying off and the default dtype over, for the whole process; two
# threads that load at once leave them so.
ONE_AT_A_TIME = threading.Lock()
LOCAL = {"local_files_only": True, "trust_remote_code": False}


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Raises InvalidInput when the folder holds no fast tokenizer that transformers can read."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError) as error:
        raise InvalidInput(Problem("tokenizer", f"{folder.name}: {_first_line(error)}", "a tokenizer")) from error
    if not tokenizer.is_fast:
        raise InvalidInput(Problem("tokenizer", type(tokenizer).__name__, "a fast tokenizer (tokenizer.json)"))
    return tokenizer


def load_causal(
    folder: Path,
    dtype: torch.dtype = torch.float32,
    dropout: float | None = None,
    device: torch.device | str = "cpu",
) -> PreTrainedModel:
    """A language model in eval mode. Dropout is 0 unless given: RL compares log-probs of the same weights.

    Raises InvalidInput for a folder without safetensors, or whose architecture is no causal language model.
    """
    config = _load_config(folder, dropout)
    model, missing = _load(AutoModelForCausalLM, folder, config, dtype)
    _refuse_missing(folder, missing, "all weights of a language model")
    return model.to(device)  # type: ignore[arg-type]


def load_reward(
    folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> PreTrainedModel:
    """A trained reward model: one label, decoder or encoder; its offset is `model.config.reward_offset`.

    Raises InvalidInput when the folder has no trained head or several labels, rather than score at random.
    """
    config = _load_config(folder, None)
    if config.num_labels != 1:
        raise InvalidInput(Problem("model", f"{config.num_labels} labels in {folder.name}", "a reward model: 1 label"))
    model, missing = _load(AutoModelForSequenceClassification, folder, config, dtype)
    _refuse_missing(folder, missing, "all weights of a trained reward model")
    return model.to(device)  # type: ignore[arg-type]


def new_reward(folder: Path, seed: int, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A reward model to be trained, over the body of any model; a head drawn from N(0, 1/(d+1)) (Huang 2024)."""
    config = _load_config(folder, None)
    config.num_labels, config.problem_type = 1, None
    model, missing = _load(AutoModelForSequenceClassification, folder, config, dtype)
    body = {name for name in missing if name.startswith(f"{model.base_model_prefix}.") and "pooler" not in name}
    _refuse_missing(folder, body, "all weights of the model's body")
    generator = torch.Generator().manual_seed(seed)
    for name in sorted(missing):
        _draw(model.get_parameter(name), generator)
    if not hasattr(model.config, "reward_offset"):
        model.config.reward_offset = 0.0
    return model


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write what plain transformers loads: config, safetensors, tokenizer with its chat template.

    `weights`: the state dict of a model that has only a part of them itself.
    """
    _repair(getattr(model, "generation_config", None))
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)


def _repair(generation: GenerationConfig | None) -> None:
    """Published models set a temperature without sampling, which transformers reads but refuses to write."""
    if generation is not None:
        try:
            generation.validate(strict=True)
        except ValueError:
            generation.do_sample = True


def _load_config(folder: Path, dropout: float | None) -> PretrainedConfig:
    try:
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError) as error:
        expected = "a model folder with a config.json of an architecture that transformers knows"
        raise InvalidInput(Problem("model", f"{folder.name}: {_first_line(error)}", expected)) from error
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(config, name, dropout or 0.0)
    return config


def _load(auto: Any, folder: Path, config: PretrainedConfig, dtype: torch.dtype) -> tuple[PreTrainedModel, set[str]]:
    if not any(folder.glob("*.safetensors")):
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:8])
        raise InvalidInput(Problem("model", f"{folder.name} with {found}", "weights as *.safetensors"))
    try:
        with ONE_AT_A_TIME:
            model, info = auto.from_pretrained(
                folder, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True, **LOCAL
            )
    except ValueError as error:  # the architecture has no such head
        raise InvalidInput(Problem("model", f"{config.model_type}: {_first_line(error)}", auto.__name__)) from error
    return model.eval(), set(info["missing_keys"])


def _refuse_missing(folder: Path, missing: set[str], expected: str) -> None:
    """Weights that are not in the folder would be random numbers."""
    if missing:
        names = ", ".join(sorted(missing)[:5])
        raise InvalidInput(Problem("model", f"{folder.name} without {names}", expected))


def _draw(parameter: torch.nn.Parameter, generator: torch.Generator) -> None:
    """Vectors stay as transformers makes them: biases 0, norms 1."""
    if parameter.dim() > 1:
        std = 1 / math.sqrt(parameter.shape[-1] + 1)
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
