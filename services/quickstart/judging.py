"""Asks every model the same prompts and judges the answers by gold, which no stage saw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rlhf import Client

from services.quickstart.material import LabelledPair, sample
from services.simulator.cases import Case
from services.simulator.evaluation import PER_FAMILY, RESAMPLES, Judged
from services.simulator.gold import GoldJudge
from services.simulator.raters import RaterPanel, bayes_ceiling
from services.simulator.splits import Split, cases, spread
from services.simulator.world import World

SPLITS: tuple[Split, ...] = ("held_out", "unseen_template", "unseen_family")
SEQUENCES_PER_CALL = 256
RECOVERED_BAR = 0.8  # of (Bayes ceiling - 50 %), by the reward model


@dataclass(frozen=True)
class Answers:
    """One model's answers to one split: S to each of P prompts."""

    pool: list[Case]
    texts: list[list[str]]
    judged: Judged
    summary: dict[str, float]


def questions(world: World) -> dict[Split, list[Case]]:
    return {split: spread(cases(world, split), PER_FAMILY[split], seed=0) for split in SPLITS}


def answer(
    clients: Sequence[Client], world: World, model: str, reference: str, pool: list[Case], samples: int, tokens: int
) -> Answers:
    """Samples at temperature 1. The KL is the mean over responses of the sum of log π − log π_ref (nats)."""
    rollouts = sample(clients, model, pool, samples, tokens, seed=77_000)
    judge, panel = GoldJudge(world), RaterPanel(world)
    texts = [[r.text for r in rollouts[i : i + samples]] for i in range(0, len(rollouts), samples)]
    golds = [[judge.judge(case, text) for text in row] for case, row in zip(pool, texts, strict=True)]
    score_PS = np.array([[gold.score for gold in row] for row in golds])
    words_PS = np.array([[gold.words for gold in row] for row in golds])
    opinions = [text for case, row in zip(pool, texts, strict=True) if case.opinion for text in row]
    kl_N = _kl(clients[0], reference, rollouts)
    summary = {
        "gold": float(score_PS.mean()),
        "words": float(words_PS.mean()),
        "kl_to_sft": float(np.mean([sum(row) for row in kl_N])),
        "kl_to_sft_per_token": float(sum(map(sum, kl_N)) / max(1, sum(map(len, kl_N)))),
        "finished": sum(r.finish_reason == "stop" for r in rollouts) / len(rollouts),
        "forbidden": float(np.mean([[gold.forbidden for gold in row] for row in golds])),
        "agrees_with_wrong_opinion": sum(map(panel.agrees, opinions)) / max(1, len(opinions)),
        "empty_words": float(np.mean([[gold.empty_words for gold in row] for row in golds])),
    }
    return Answers(
        pool,
        texts,
        Judged([case.family for case in pool], [case.subject for case in pool], score_PS, words_PS),
        summary,
    )


def reward_accuracy(client: Client, model: str, pairs: list[LabelledPair]) -> dict[str, float]:
    """How often the reward model agrees with the rater, beside the best that any judge could reach."""
    scores = []
    for start in range(0, len(pairs), SEQUENCES_PER_CALL // 2):
        part = pairs[start : start + SEQUENCES_PER_CALL // 2]
        items = [(p.case.prompt, text) for p in part for text in (p.chosen, p.rejected)]
        scores += client.reward.score(items, model=model)
    right_N = np.array([_number(a) > _number(b) for a, b in zip(scores[::2], scores[1::2], strict=True)])
    chance_N = np.array([pair.chosen_probability for pair in pairs])
    ceiling = bayes_ceiling(chance_N.tolist())
    low, high = _recovered_interval(right_N, chance_N, [pair.case.prompt for pair in pairs])
    return {
        "accuracy": float(right_N.mean()),
        "ceiling": ceiling,
        "recovered": (float(right_N.mean()) - 0.5) / (ceiling - 0.5),
        "recovered_low": low,
        "recovered_high": high,
        "pairs": len(pairs),
    }


def _recovered_interval(right_N: np.ndarray, chance_N: np.ndarray, prompts: list[str]) -> tuple[float, float]:
    """95 % bootstrap interval over prompts of the recovered share."""
    rng, prompt_N = np.random.default_rng(0), np.unique(prompts, return_inverse=True)[1]
    ceiling_N = np.maximum(chance_N, 1 - chance_N)
    totals_P3 = np.stack([np.bincount(prompt_N, weights) for weights in (right_N, ceiling_N, np.ones(len(right_N)))], 1)
    draws = totals_P3[rng.integers(0, len(totals_P3), (RESAMPLES, len(totals_P3)))].sum(1)
    recovered = (draws[:, 0] / draws[:, 2] - 0.5) / (draws[:, 1] / draws[:, 2] - 0.5)
    low, high = np.quantile(recovered, [0.025, 0.975])
    return float(low), float(high)


def _number(score) -> float:
    if not score.ok:
        raise RuntimeError(f"a held-out pair could not be scored: {score.error}")
    return score.raw


def _kl(client: Client, reference: str, rollouts: list) -> list[list[float]]:
    """log π − log π_ref per token of each rollout."""
    differences = []
    for start in range(0, len(rollouts), SEQUENCES_PER_CALL):
        part = rollouts[start : start + SEQUENCES_PER_CALL]
        answers = client.reference.log_probs([(r.prompt_ids, r.response_ids) for r in part], model=reference)
        for rollout, reference_T in zip(part, answers.sequences, strict=True):
            differences.append([p - q for p, q in zip(rollout.log_probs, reference_T, strict=True)])
    return differences
