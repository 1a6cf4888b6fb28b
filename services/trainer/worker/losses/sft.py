"""Cross-entropy on the response, its end-of-sequence token included (Ouyang et al. 2022, section 3.5)."""

from torch import Tensor


def sft_loss(logprobs_BR: Tensor, mask_BR: Tensor, num_tokens: float) -> Tensor:
    """Negative log-likelihood per token, in nats.

    `num_tokens` counts the response tokens of the whole batch, so that losses of its micro-batches add up to its mean.
    """
    return -logprobs_BR.where(mask_BR, 0.0).sum() / num_tokens
