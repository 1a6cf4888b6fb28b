"""How much of everything a quickstart does. The recipes themselves are the defaults of services/trainer/recipes.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    demonstrations: int
    comparisons: int  # labelled pairs of SFT samples for the reward model and DPO
    held_out_pairs: int  # labelled pairs on held-out prompts, for the reward model's accuracy
    ppo_steps: int | None  # None: the recipe's
    evaluation_samples: int  # responses per prompt and model
    max_new_tokens: int = 72


FULL = Plan(demonstrations=6000, comparisons=4000, held_out_pairs=1000, ppo_steps=None, evaluation_samples=4)
# Enough to see that every part works; too little to learn from.
SMALL = Plan(demonstrations=256, comparisons=128, held_out_pairs=64, ppo_steps=2, evaluation_samples=1)
