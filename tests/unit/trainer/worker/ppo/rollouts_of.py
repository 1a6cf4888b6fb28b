"""Experience made with plain transformers, for tests of what comes after the collector."""

import torch
from transformers import PreTrainedModel

from services.language_model.log_probs import response_log_probs
from services.trainer.worker.experience import Rollout


@torch.no_grad()
def rollouts_of(policy: PreTrainedModel, count: int = 12, temperature: float = 1.0, seed: int = 0) -> list[Rollout]:
    """Random responses of 1 to 7 tokens, every other one ended, with the policy's own log-probs as everybody's."""
    draw = torch.Generator().manual_seed(seed)
    rollouts = []
    for place in range(count):
        length = int(torch.randint(1, 8, (1,), generator=draw))
        prompt = [3, *torch.randint(5, 29, (1 + place % 4,), generator=draw).tolist(), 4]
        response = torch.randint(5, 29, (length,), generator=draw).tolist()
        if place % 2:
            response[-1] = 2
        logprobs = response_log_probs(policy, [prompt], [response], temperature, 0).logprobs_BR[0].tolist()
        score = float(torch.randn(1, generator=draw))
        rollouts.append(
            Rollout(
                place=place,
                sample=0,
                prompt=place,
                prompt_ids=prompt,
                response_ids=response,
                log_probs=logprobs,
                ended=bool(place % 2),
                text="",
                version="policy@1.0-x",
                digest="d",
                score=score,
                raw_score=score + 1,
                reference_log_probs=logprobs,
            )
        )
    return rollouts
