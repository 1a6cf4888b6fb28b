from dataclasses import replace

import pytest

from services.trainer.recipes import Optimization, PpoSpec, SftSpec
from services.trainer.rules import Range, contradictions, out_of_range

PPO = PpoSpec("sft", "judge", "prompts", prompts_per_step=32, samples_per_prompt=2, minibatches=2)
SFT = SftSpec("base", "demos")


def said(stage: PpoSpec | SftSpec) -> list[str]:
    return [str(p) for p in (*out_of_range("ppo", stage), *contradictions("ppo", stage))]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gamma": 1.5}, "ppo.gamma: got 1.5, expected a number in [0, 1]"),
        ({"gae_lambda": -0.1}, "ppo.gae_lambda: got -0.1, expected a number in [0, 1]"),
        ({"clip_range": 2.0}, "ppo.clip_range: got 2, expected a number in (0, 1]"),
        ({"temperature": float("nan")}, "ppo.temperature: got nan, expected a number in (0, 10]"),
        ({"reward_clip": float("inf")}, "ppo.reward_clip: got inf, expected a number above 0"),
        ({"kl_coefficient": -1.0}, "ppo.kl_coefficient: got -1, expected a number, 0 or more"),
        (
            {"kl_target": 6.0, "kl_coefficient": 0.0},
            "ppo.kl_target: got 6 with kl_coefficient 0, expected 0, or a kl_coefficient above 0: the controller "
            "multiplies it, and 0 stays 0",
        ),
        (
            {"prompts_per_step": 4, "samples_per_prompt": 2, "minibatches": 4},
            "ppo.minibatches: got 4 for 8 samples (prompts_per_step × samples_per_prompt), expected minibatches of at "
            "least 8 samples, which advantages are whitened over",
        ),
        (
            {"optimization": replace(PPO.optimization, micro_batch_size=64)},
            "ppo.optimization.micro_batch_size: got 64, expected at most the 32 samples of a minibatch",
        ),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(changes: dict, expected: str) -> None:
    assert said(replace(PPO, **changes)) == [expected]


def test_a_micro_batch_fits_its_batch() -> None:
    assert said(replace(SFT, optimization=Optimization(batch_size=4, micro_batch_size=8))) == [
        "ppo.optimization.micro_batch_size: got 8, expected at most the batch_size of 4"
    ]


def test_a_range_says_which_ends_belong_to_it() -> None:
    assert 0 not in Range(0, 1, open_low=True)
    assert 1 in Range(0, 1, open_low=True)
    assert float("inf") not in Range(0)
