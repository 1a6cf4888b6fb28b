"""The collector's roles in this process: the same engine, scorer and log-probs as behind the services."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from services.language_model.engine import Engine
from services.language_model.generation import Request
from services.language_model.loading import load_causal, load_reward, load_tokenizer
from services.language_model.log_probs import response_log_probs
from services.language_model.sampling import SamplingParams
from services.language_model.scoring import encode_for_reward, raw_scores
from services.language_model.weights import load_weights
from services.storage.models import ModelStore, Version
from services.trainer.worker.collector import Prompt, RewardRole
from services.trainer.worker.experience import Rollout, SamplingPlan, Score
from services.trainer.worker.seeds import derived_seed


class DirectCollector:
    def __init__(self, models: ModelStore) -> None:
        self._models = models
        self._engine: Engine | None = None
        self._frozen: dict[str, tuple[Any, PreTrainedTokenizerBase]] = {}
        self.calls: dict[str, int] = Counter()
        self.items: dict[str, int] = Counter()

    def generate(self, versions: Sequence[Version], prompts: Sequence[Prompt], plan: SamplingPlan) -> list[Rollout]:
        engine = self._engine_of(self._models.fetch(versions[0]))
        params = SamplingParams(
            max_new_tokens=plan.max_new_tokens, temperature=plan.temperature, seed=derived_seed(plan.seed, 0)
        )
        places = [(p, s) for p in range(len(prompts)) for s in range(plan.samples_per_prompt)]
        requests = [Request(prompts[p].ids, params, p, s) for p, s in places]
        found = engine.generate(requests, static=plan.deterministic)
        self._count("Generate", len(found))
        return [
            Rollout(
                place=p,
                sample=s,
                prompt=prompts[p].index,
                prompt_ids=prompts[p].ids,
                response_ids=generation.response_ids,
                log_probs=generation.log_probs,
                ended=generation.finish_reason == "stop",
                text=generation.text,
                version=str(versions[0]),
                digest=versions[0].digest,
            )
            for (p, s), generation in zip(places, found, strict=True)
        ]

    @torch.inference_mode()
    def score(
        self, reward: RewardRole, prompts: Sequence[Prompt], rollouts: Sequence[Rollout], deterministic: bool
    ) -> list[Score]:
        model, tokenizer = self._load(load_reward, reward.version)
        sequences = [
            [*r.prompt_ids, *r.response_ids] if reward.takes_ids else encode_for_reward(tokenizer, p.messages, r.text)
            for p, r in zip(prompts, rollouts, strict=True)
        ]
        self._count("Score", len(rollouts))
        raw = _in_parts(lambda part: raw_scores(model, part, 0).tolist(), sequences)
        return [Score(value - model.config.reward_offset, value) for value in raw]

    @torch.inference_mode()
    def reference_log_probs(
        self, reference: Version, rollouts: Sequence[Rollout], temperature: float, deterministic: bool
    ) -> list[list[float]]:
        model, _ = self._load(load_causal, reference)
        self._count("LogProbs", len(rollouts))

        def ask(part: Sequence[Rollout]) -> list[list[float]]:
            prompts, responses = [r.prompt_ids for r in part], [r.response_ids for r in part]
            rows = response_log_probs(model, prompts, responses, temperature, 0).logprobs_BR.tolist()
            return [row[: len(response)] for row, response in zip(rows, responses, strict=True)]

        return _in_parts(ask, rollouts)

    def _engine_of(self, folder: Path) -> Engine:
        if self._engine is None:
            self._engine = Engine(load_causal(folder), load_tokenizer(folder))
        else:
            load_weights(self._engine.model, folder)
        return self._engine

    def _load(self, load: Any, version: Version) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        if str(version) not in self._frozen:
            folder = self._models.fetch(version)
            self._frozen[str(version)] = load(folder), load_tokenizer(folder)
        return self._frozen[str(version)]

    def _count(self, method: str, items: int) -> None:
        self.calls[method] += 1
        self.items[method] += items


def _in_parts(ask: Any, items: Sequence[Any], size: int = 32) -> list[Any]:
    return [result for start in range(0, len(items), size) for result in ask(items[start : start + size])]
