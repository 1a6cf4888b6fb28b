"""Which models the slots of the engine can serve, how long their sequences may be, and what a token takes."""

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

from services.language_model.kv_cache import SlotCache
from services.runtime.errors import InvalidInput, Problem


def context_length(config: PretrainedConfig) -> int:
    """The longest sequence (tokens) that the slots serve: the model's context, within the smallest sliding window.

    Raises InvalidInput for layers that keep a state other than keys and values (Mamba, linear attention).
    """
    text = config.get_text_config()
    longest = int(getattr(text, "max_position_embeddings", 2**20))
    for layer in DynamicCache(config=config).layers:
        if not isinstance(layer, CacheLayerMixin):
            expected = "a model whose layers all keep keys and values"
            raise InvalidInput(Problem("model", f"{text.model_type} with {type(layer).__name__}", expected))
        if getattr(layer, "is_sliding", False):
            longest = min(longest, layer.get_max_length())
    if "local" in getattr(text, "attention_layers", ()):  # GPT-Neo, whose window the cache's layers do not tell
        longest = min(longest, text.window_size)
    return longest


def token_bytes(config: PretrainedConfig) -> int:
    """What keys and values of one token take in float32, by the config alone: known before there is a model."""
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return 2 * text.num_hidden_layers * heads * size * 4


@torch.inference_mode()
def check_support(model: PreTrainedModel) -> int:
    """Bytes that a token takes in the slots.

    Raises InvalidInput unless a token decoded through the slots gets the logits of a plain forward pass.
    """
    expected = "standard attention with position ids and an additive mask"
    ids_BT = torch.arange(4, device=model.device)[None]
    try:
        want_BV = model(input_ids=ids_BT, use_cache=False).logits[:, -1]
        got_BV, slots = _decoded(model, ids_BT)
    except Exception as error:  # an architecture can fail in any way on a cache it does not know
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise InvalidInput(Problem("model", f"{model.config.model_type} ({reason})", expected)) from error
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.1
    if not torch.allclose(got_BV, want_BV, rtol=tolerance, atol=tolerance * float(want_BV.abs().max())):
        raise InvalidInput(Problem("model", model.config.model_type, expected))
    return slots.token_bytes


def _decoded(model: PreTrainedModel, ids_BT: Tensor) -> tuple[Tensor, SlotCache]:
    """logits_BV of the last of the tokens, after all before it were prefilled."""
    slots, before = SlotCache(model), ids_BT.shape[1] - 1
    slots.begin_prefill(1, before)
    model(input_ids=ids_BT[:, :-1], past_key_values=slots, use_cache=True)
    slots.join([before], copies=[])
    position_ids_B1, mask_B11L = slots.begin_decode()
    found = model(
        input_ids=ids_BT[:, -1:],
        position_ids=position_ids_B1,
        attention_mask=mask_B11L,
        past_key_values=slots,
        use_cache=True,
    )
    return found.logits[:, -1], slots
