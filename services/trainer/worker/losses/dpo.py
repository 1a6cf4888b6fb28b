"""Direct preference optimisation (Rafailov et al. 2023, equation 7).

With a margin (Amini et al. 2024, "Direct preference optimization with an offset"): the implicit reward of the chosen
answer has to lead by that much.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class DpoTerms(NamedTuple):
    """One value per pair; implicit rewards are beta * log(policy / reference)."""

    loss_N: Tensor
    chosen_rewards_N: Tensor
    rejected_rewards_N: Tensor


def dpo_terms(
    chosen_logprobs_N: Tensor,
    rejected_logprobs_N: Tensor,
    reference_chosen_N: Tensor,
    reference_rejected_N: Tensor,
    margins_N: Tensor,
    beta: float,
) -> DpoTerms:
    """Each input is the log-prob of a whole response, in nats, under the policy or the frozen reference."""
    chosen_rewards_N = beta * (chosen_logprobs_N - reference_chosen_N)
    rejected_rewards_N = beta * (rejected_logprobs_N - reference_rejected_N)
    loss_N = -F.logsigmoid(chosen_rewards_N - rejected_rewards_N - margins_N)
    return DpoTerms(loss_N, chosen_rewards_N, rejected_rewards_N)
