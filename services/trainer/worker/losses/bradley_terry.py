"""The pairwise loss of reward models (Bradley & Terry 1952; Ouyang et al. 2022, equation 1).

With a margin (Touvron et al. 2023, "Llama 2", equation 2): the chosen answer has to lead by that many logits.
Deviation: the mean is over all pairs of the batch, where the paper first averages over the pairs of each prompt.
"""

import torch.nn.functional as F
from torch import Tensor


def bradley_terry_loss(
    chosen_N: Tensor, rejected_N: Tensor, weights_N: Tensor, margins_N: Tensor, total_weight: float
) -> Tensor:
    """Weighted mean of the negative log-likelihoods, in nats; `total_weight` is that of the whole batch."""
    return -(weights_N * F.logsigmoid(chosen_N - rejected_N - margins_N)).sum() / total_weight
