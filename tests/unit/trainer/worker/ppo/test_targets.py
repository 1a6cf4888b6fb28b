from dataclasses import replace

import pytest
import torch

from services.trainer.worker.ppo.targets import check_first_step, targets_of
from tests.unit.trainer.worker.ppo.test_learner import SPEC, measured


def test_step_zero_passes_with_one_model_in_three_roles() -> None:
    _, batch, _ = measured(replace(SPEC, temperature=0.7))
    check_first_step(batch)


@pytest.mark.parametrize(
    ("field", "who"), [("reference_logprobs_BR", "the reference"), ("behaviour_logprobs_BR", "the generator")]
)
def test_step_zero_names_who_differs(field: str, who: str) -> None:
    _, batch, _ = measured()
    with pytest.raises(AssertionError, match=f"away from {who}"):
        check_first_step(replace(batch, **{field: getattr(batch, field) + 0.01}))  # type: ignore[arg-type]


def test_what_is_maximised_is_the_score_less_the_penalty() -> None:
    """A reference 0.1 nats lower on every token costs beta * 0.1 per token."""
    _, batch, _ = measured()
    lengths_B = batch.mask_BR.sum(dim=1)
    plain = targets_of(batch, SPEC, 0.5)
    away = targets_of(replace(batch, reference_logprobs_BR=batch.reference_logprobs_BR - 0.1), SPEC, 0.5)
    expected_B = torch.where(batch.ended_B, batch.scores_B, -1.0)
    assert torch.allclose(plain.rewards_B, expected_B, atol=1e-4)
    assert torch.allclose(plain.rewards_B - away.rewards_B, 0.05 * lengths_B, atol=1e-4)


def test_importance_weights_follow_the_generator() -> None:
    _, batch, targets = measured()
    assert torch.allclose(targets.weights_BR, torch.ones_like(targets.weights_BR), atol=1e-4)
    shifted = targets_of(replace(batch, behaviour_logprobs_BR=batch.behaviour_logprobs_BR - 5), SPEC, 0.05)
    assert (shifted.weights_BR[batch.mask_BR] == 2).all()
