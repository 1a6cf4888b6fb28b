"""The pairwise loss of reward models (Bradley & Terry 1952; Ouyang et al. 2022, equation 1).

Deviation: the mean is over all pairs of the batch, where the paper first averages over the pairs of each prompt.
"""

import torch.nn.functional as F
from torch import Tensor


def bradley_terry_loss(chosen_N: Tensor, rejected_N: Tensor, num_pairs: int) -> Tensor:
    """Negative log-likelihood per pair, in nats; `num_pairs` counts the pairs of the whole batch."""
    return -F.logsigmoid(chosen_N - rejected_N).sum() / num_pairs
