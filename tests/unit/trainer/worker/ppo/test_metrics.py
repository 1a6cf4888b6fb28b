from dataclasses import replace

import pytest
import torch

from services.trainer.worker.ppo.metrics import describe, explained_variance, reward_at_length
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.ppo.rollouts_of import rollouts_of
from tests.unit.trainer.worker.ppo.test_learner import measured


def test_a_shifted_reference_shows_as_kl_per_token() -> None:
    _, batch, targets = measured()
    rollouts = rollouts_of(small_world.policy())
    shifted = replace(batch, reference_logprobs_BR=batch.reference_logprobs_BR - 0.1)
    plain, moved = describe(batch, targets, rollouts), describe(shifted, targets, rollouts)
    assert plain["kl_per_token"] == pytest.approx(0, abs=1e-4)
    assert moved["kl_per_token"] == pytest.approx(0.1, abs=1e-4)
    assert moved["kl"] == pytest.approx(0.1 * plain["response_length"], abs=1e-3)


def test_the_numbers_are_those_of_the_rollouts() -> None:
    _, batch, targets = measured()
    rollouts = rollouts_of(small_world.policy())
    failed = replace(rollouts[0], score=None, raw_score=None, score_error="no", score_error_reason="too_long")
    cut = replace(rollouts[1], truncated=True)
    found = describe(batch, targets, [rollouts[0], cut, *rollouts[2:], failed])
    scores = sorted(rollout.score for rollout in rollouts if rollout.score is not None)
    lengths = [len(rollout.response_ids) for rollout in rollouts]
    assert found["reward"] == pytest.approx(sum(scores) / 12)
    assert found["raw_reward"] == pytest.approx(sum(scores) / 12 + 1)
    assert found["reward_p50"] == pytest.approx((scores[5] + scores[6]) / 2)
    assert found["response_length"] == pytest.approx(sum(lengths) / 12)
    assert (found["samples"], found["dropped_samples"], found["tokens"]) == (13, 1, sum(lengths))
    assert (found["dropped_too_long"], found["dropped_not_finite"], found["dropped_other"]) == (1, 0, 0)
    assert found["truncated"] == pytest.approx(1 / 12)
    assert found["without_eos"] == pytest.approx(0.5)
    assert found["mismatch_max"] < 1e-4


def test_rewards_are_told_apart_by_length_where_there_are_any() -> None:
    found = reward_at_length(torch.tensor([1.0, 3.0, 5.0, 7.0]), torch.tensor([1, 15, 16, 300]))
    assert found == {"reward_at_length_1": 2.0, "reward_at_length_16": 5.0, "reward_at_length_256": 7.0}


def test_explained_variance_is_one_for_a_perfect_value_and_zero_for_a_constant() -> None:
    _, batch, targets = measured()
    perfect = replace(batch, values_BR=targets.returns_BR)
    constant = replace(batch, values_BR=torch.full_like(batch.values_BR, 3.0))
    assert explained_variance(perfect, targets).item() == pytest.approx(1)
    assert explained_variance(constant, targets).item() == pytest.approx(0, abs=1e-5)
