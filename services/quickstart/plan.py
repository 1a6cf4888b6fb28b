"""How much of everything a quickstart does. The recipes themselves are the defaults of services/trainer/recipes.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    demonstrations: int
    compared_prompts: int  # whose SFT samples are compared, for the reward model and DPO
    compared_samples: int  # per prompt; all pairs of them are judged
    judgements: int  # of each pair, each by a rater drawn anew
    batch_size: int | None  # comparisons per step of the reward model and DPO; None: the recipe's
    held_out_pairs: int  # on held-out prompts, for the reward model's accuracy
    ppo_steps: int | None  # None: the recipe's
    evaluation_samples: int  # responses per prompt and model
    max_new_tokens: int = 72


FULL = Plan(
    demonstrations=6000,
    compared_prompts=2300,
    compared_samples=4,
    judgements=3,
    batch_size=96,  # the recipe's, times the judgements
    held_out_pairs=1000,
    ppo_steps=None,
    evaluation_samples=4,
)
# Enough to see that every part works; too little to learn from.
SMALL = Plan(
    demonstrations=256,
    compared_prompts=64,
    compared_samples=2,
    judgements=1,
    batch_size=None,
    held_out_pairs=64,
    ppo_steps=2,
    evaluation_samples=1,
)
