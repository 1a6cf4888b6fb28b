"""The value model: a separate network that predicts, before each response token, the score to come."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.language_model.loading import load_reward, load_tokenizer, new_reward
from services.language_model.log_probs import Ids, pad_right
from services.language_model.scoring import is_encoder, token_scores
from services.language_model.tokens import tokenizer_digest


class ValueModel(nn.Module):
    """`body` is a causal sequence classifier with one label; `offset` puts values on the scale of normalised scores."""

    def __init__(self, body: PreTrainedModel, offset: float = 0.0) -> None:
        super().__init__()
        self.body, self.offset = body, offset

    def forward(self, prompts: Sequence[Ids], responses: Sequence[Ids], pad_id: int) -> Tensor:
        """values_BR (float32, on the CPU), padded with whatever stands there: column r is the value before token r."""
        sequences = [[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)]
        ids_BT, _ = pad_right(sequences, pad_id)
        before_B = torch.tensor([len(prompt) - 1 for prompt in prompts])
        positions_BR = before_B[:, None] + torch.arange(max(map(len, responses)))
        values_BT = token_scores(self.body, ids_BT.to(self.body.device)).cpu()
        return values_BT.gather(1, positions_BR.clamp(max=ids_BT.shape[1] - 1)) - self.offset


def load_value_model(
    reward_folder: Path, policy_folder: Path, policy_tokenizer: PreTrainedTokenizerBase, seed: int
) -> ValueModel:
    """From the reward model where that is causal and reads the policy's tokens (Huang et al. 2024).

    Else from the policy under a new head.
    """
    reward_tokenizer = load_tokenizer(reward_folder)
    if tokenizer_digest(reward_tokenizer) == tokenizer_digest(policy_tokenizer):
        reward = load_reward(reward_folder)
        if not is_encoder(reward):
            return ValueModel(reward, float(getattr(reward.config, "reward_offset", 0.0)))
    return ValueModel(new_reward(policy_folder, seed))
