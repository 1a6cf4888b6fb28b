"""What stages ask of the policy, reward and reference roles; `rollouts` asks real services."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

from services.language_model.chat import Message
from services.runtime.tracing import carried
from services.storage.models import Version
from services.trainer.worker.experience import Rollout, SamplingPlan, Score
from services.trainer.worker.stopwatch import Stopwatch


@dataclass(frozen=True)
class Prompt:
    index: int  # into the dataset
    messages: Sequence[Message]
    ids: list[int]


@dataclass(frozen=True)
class RewardRole:
    """`takes_ids`: policy and reward model share the tokenizer, so tokens travel as they are; else text does."""

    version: Version
    takes_ids: bool
    tokenizer_digest: str


class Collector(Protocol):
    """`calls` and `items` count what was answered, by method, so that the ledger can be held against the services."""

    calls: dict[str, int]
    items: dict[str, int]

    def generate(self, versions: Sequence[Version], prompts: Sequence[Prompt], plan: SamplingPlan) -> list[Rollout]:
        """All samples of all prompts, ordered by prompt, then sample. Any of `versions` (one name) may answer."""
        ...

    def score(
        self, reward: RewardRole, prompts: Sequence[Prompt], rollouts: Sequence[Rollout], deterministic: bool
    ) -> list[Score]:
        """Aligned with `rollouts`; `prompts` holds the prompt of each."""
        ...

    def reference_log_probs(
        self, reference: Version, rollouts: Sequence[Rollout], temperature: float, deterministic: bool
    ) -> list[list[float]]:
        """Of each response token, aligned with `rollouts`."""
        ...


def collect(
    collector: Collector,
    policies: Sequence[Version],
    reward: RewardRole | None,
    reference: Version | None,
    prompts: Sequence[Prompt],
    plan: SamplingPlan,
    stopwatch: Stopwatch,
) -> list[Rollout]:
    """Generates, then scores and asks the reference at the same time; None leaves a role out."""
    with stopwatch.part("rollout"):
        rollouts = collector.generate(policies, prompts, plan)
    asked = [(place, sample) for place in range(len(prompts)) for sample in range(plan.samples_per_prompt)]
    assert [(r.place, r.sample) for r in rollouts] == asked, f"{len(rollouts)} rollouts, not the {len(asked)} asked for"
    with ThreadPoolExecutor(2) as threads:
        ask_scores, ask_reference = carried(_scores), carried(_references)
        scores = threads.submit(ask_scores, collector, reward, prompts, rollouts, plan, stopwatch) if reward else None
        logprobs = threads.submit(ask_reference, collector, reference, rollouts, plan, stopwatch) if reference else None
        if scores:
            rollouts = [
                replace(
                    rollout,
                    score=score.normalized,
                    raw_score=score.raw,
                    score_error=score.error,
                    score_error_reason=score.error_reason,
                    truncated=score.truncated,
                )
                for rollout, score in zip(rollouts, scores.result(), strict=True)
            ]
        if logprobs:
            rollouts = [
                replace(rollout, reference_log_probs=found)
                for rollout, found in zip(rollouts, logprobs.result(), strict=True)
            ]
    return rollouts


def _scores(
    collector: Collector,
    reward: RewardRole,
    prompts: Sequence[Prompt],
    rollouts: Sequence[Rollout],
    plan: SamplingPlan,
    stopwatch: Stopwatch,
) -> list[Score]:
    with stopwatch.part("score"):
        return collector.score(reward, [prompts[r.place] for r in rollouts], rollouts, plan.deterministic)


def _references(
    collector: Collector,
    reference: Version,
    rollouts: Sequence[Rollout],
    plan: SamplingPlan,
    stopwatch: Stopwatch,
) -> list[list[float]]:
    with stopwatch.part("reference"):
        return collector.reference_log_probs(reference, rollouts, plan.temperature, plan.deterministic)
