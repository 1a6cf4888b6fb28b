import pytest
import torch

from services.trainer.recipes import MissingEos, PpoSpec
from services.trainer.worker.ppo.rewards import KlController, kl_per_token, shaped_rewards, terminal_scores

SCORES_B = torch.tensor([0.5, 3.0, -25.0, 40.0])
ENDED_B = torch.tensor([True, False, True, True])
MASK_BR = torch.tensor([[True, True, True], [True, False, False]])


def spec(**more: object) -> PpoSpec:
    return PpoSpec("policy", "reward", "prompts", **more)  # type: ignore[arg-type]


def test_a_response_without_eos_gets_the_set_value_and_the_rest_is_clipped() -> None:
    assert terminal_scores(SCORES_B, ENDED_B, spec()).tolist() == [0.5, -1.0, -10.0, 10.0]


def test_the_missing_eos_may_be_a_subtraction() -> None:
    found = terminal_scores(SCORES_B, ENDED_B, spec(missing_eos=MissingEos.SUBTRACT, missing_eos_value=-1.5))
    assert found.tolist() == [0.5, 1.5, -10.0, 10.0]


def test_the_score_sits_on_the_last_token_and_kl_on_every_one() -> None:
    kl_BR = torch.tensor([[0.1, -0.2, 0.3], [0.4, 0.0, 0.0]])
    found = shaped_rewards(torch.tensor([2.0, -1.0]), kl_BR, MASK_BR, kl_coefficient=0.5)
    assert found.tolist()[0] == pytest.approx([-0.05, 0.1, 2 - 0.15])
    assert found.tolist()[1] == pytest.approx([-1.2, 0.0, 0.0])


def test_clipping_comes_before_the_kl_penalty() -> None:
    scores_B = terminal_scores(torch.tensor([100.0, 100.0]), torch.tensor([True, True]), spec())
    found = shaped_rewards(scores_B, torch.full((2, 3), 4.0).where(MASK_BR, 0.0), MASK_BR, kl_coefficient=1.0)
    assert found.sum(dim=1).tolist() == [10 - 12, 10 - 4]


def test_kl_is_the_k1_estimate() -> None:
    logprobs_BR, reference_BR = torch.tensor([[-1.0, -2.0, -3.0]]), torch.tensor([[-1.5, -1.0, float("nan")]])
    assert kl_per_token(logprobs_BR, reference_BR, torch.tensor([[True, True, False]])).tolist() == [[0.5, -1.0, 0.0]]


def test_a_fixed_coefficient_stays() -> None:
    controller = KlController(0.05)
    controller.update(kl_per_response=100.0, num_samples=64)
    assert controller.coefficient == 0.05


@pytest.mark.parametrize(("kl", "error"), [(60.0, 0.2), (6.6, 0.1), (6.0, 0.0), (5.4, -0.1), (0.0, -0.2)])
def test_the_controller_moves_by_the_clipped_error(kl: float, error: float) -> None:
    controller = KlController(0.05, target=6.0)
    controller.update(kl, num_samples=500)
    assert controller.coefficient == pytest.approx(0.05 * (1 + error * 500 / 10_000))
