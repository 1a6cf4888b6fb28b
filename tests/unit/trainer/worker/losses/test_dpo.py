"""Against equation 7 of Rafailov et al. (the "sigmoid" loss of TRL's DPOTrainer), pair by pair in fp64."""

import math

import pytest
import torch

from services.trainer.worker.losses.dpo import dpo_terms

POLICY_CHOSEN, POLICY_REJECTED = [-12.0, -30.5, -8.0], [-14.0, -20.0, -8.0]
REFERENCE_CHOSEN, REFERENCE_REJECTED = [-13.0, -30.0, -8.0], [-13.5, -25.0, -8.0]
NO_MARGINS = [0.0, 0.0, 0.0]


@pytest.mark.parametrize("beta", [0.05, 0.1, 1.0, 5.0])
def test_loss_is_the_papers(beta: float) -> None:
    expected = []
    for pc, pr, rc, rr in zip(POLICY_CHOSEN, POLICY_REJECTED, REFERENCE_CHOSEN, REFERENCE_REJECTED):
        policy_ratio, reference_ratio = pc - pr, rc - rr
        expected.append(math.log(1 + math.exp(-beta * (policy_ratio - reference_ratio))))
    rows = (POLICY_CHOSEN, POLICY_REJECTED, REFERENCE_CHOSEN, REFERENCE_REJECTED, NO_MARGINS)
    terms = dpo_terms(*map(torch.tensor, rows), beta)
    assert terms.loss_N.tolist() == pytest.approx(expected, abs=1e-5)


def test_the_starting_policy_has_a_loss_of_log_two_and_no_reward() -> None:
    logprobs_N = torch.tensor(POLICY_CHOSEN)
    terms = dpo_terms(logprobs_N, logprobs_N - 3, logprobs_N, logprobs_N - 3, torch.tensor(NO_MARGINS), 0.1)
    assert terms.loss_N.tolist() == pytest.approx([math.log(2)] * 3)
    assert terms.chosen_rewards_N.abs().max() == terms.rejected_rewards_N.abs().max() == 0


def test_a_margin_is_what_the_implicit_reward_has_to_lead_by() -> None:
    """Leads of 0.75, -2.75 and 0 at beta 0.5 against margins of 1, 2 and 3; rewards are reported without them."""
    rows = (POLICY_CHOSEN, POLICY_REJECTED, REFERENCE_CHOSEN, REFERENCE_REJECTED, [1.0, 2.0, 3.0])
    terms = dpo_terms(*map(torch.tensor, rows), 0.5)
    expected = [math.log(1 + math.exp(-(lead - margin))) for lead, margin in ((0.75, 1), (-2.75, 2), (0, 3))]
    assert terms.loss_N.tolist() == pytest.approx(expected, abs=1e-5)
    assert (terms.chosen_rewards_N - terms.rejected_rewards_N).tolist() == pytest.approx([0.75, -2.75, 0.0])


def test_implicit_rewards_are_scaled_log_ratios() -> None:
    rows = (POLICY_CHOSEN, POLICY_REJECTED, REFERENCE_CHOSEN, REFERENCE_REJECTED, NO_MARGINS)
    terms = dpo_terms(*map(torch.tensor, rows), 0.5)
    assert terms.chosen_rewards_N.tolist() == pytest.approx([0.5, -0.25, 0.0])
    assert terms.rejected_rewards_N.tolist() == pytest.approx([-0.25, 2.5, 0.0])
