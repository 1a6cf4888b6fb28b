"""A reward model learns more from judgements weighted by reliability than from their majority, when a third of the
raters toss coins: real votes, real exports, a real (and very small) reward model."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from services.data.records import Comparison, Prompt
from services.feedback.answers import Choice, Preference
from services.feedback.comparisons import Aggregation, compared
from services.feedback.items import Item
from services.feedback.judgements import FIRST_TIME, Judgement
from services.feedback.recipe import CampaignSpec
from services.feedback.snapshot import Snapshot
from services.language_model.loading import load_reward, load_tokenizer
from services.language_model.scoring import encode_for_reward, raw_scores
from services.trainer.recipes import Optimization, RewardModelSpec
from services.trainer.worker.encoding import as_messages
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import WORDS, SmallWorld, questions

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

RATERS = {**{f"good-{n}": 0.85 for n in range(6)}, **{f"coin-{n}": 0.5 for n in range(3)}}
PAIRS, OVERLAP, HELD_OUT, SEEDS = 700, 3, 1500, 4


@dataclass(frozen=True)
class Pair:
    prompt: Prompt
    better: str
    worse: str


def pairs(count: int, seed: int) -> list[Pair]:
    """Every word is worth something; the response with more worth is the better one."""
    rng, worth = random.Random(seed), {word: index for index, word in enumerate(WORDS)}
    found = []
    while len(found) < count:
        prompt = questions(1, rng.getrandbits(30))[0]
        texts = [rng.choices(WORDS, k=3) for _ in range(2)]
        value = [sum(worth[word] for word in text) for text in texts]
        if value[0] != value[1]:
            texts.sort(key=lambda text: sum(worth[word] for word in text), reverse=True)
            found.append(Pair(prompt, " ".join(texts[0]), " ".join(texts[1])))
    return found


def judged(seed: int) -> Snapshot:
    rng, items, judgements = random.Random(f"votes-{seed}"), {}, []
    for number, pair in enumerate(pairs(PAIRS, seed)):
        better = rng.randrange(2)
        responses = (pair.better, pair.worse) if better == 0 else (pair.worse, pair.better)
        items[f"i{number}"] = Item(pair.prompt, responses, id=f"i{number}")
        for rater in rng.sample(list(RATERS), OVERLAP):
            chosen = better if rng.random() < RATERS[rater] else 1 - better
            answer = Preference((Choice.FIRST, Choice.SECOND)[chosen])
            name = f"{number}-{rater}"
            judgements.append(Judgement(name, rater, number + 1, 0.0, f"i{number}", FIRST_TIME, (0, 1), answer))
    return Snapshot(CampaignSpec("votes"), items, tuple(judgements), frozenset())


def accuracy(world: SmallWorld, records: list[Comparison], name: str, seed: int) -> float:
    """Of a reward model trained on the records, on pairs that it never saw."""
    base = world.publish("base", small_world.policy(seed))
    learns = Optimization(learning_rate=2e-3, epochs=2)
    outcome = world.train(RewardModelSpec(str(base), world.put(name, list(records)), optimization=learns), seed=seed)
    folder = world.weights(outcome)
    tokenizer, model = load_tokenizer(folder), load_reward(folder)
    held_out = pairs(HELD_OUT, seed=10_000)

    def scores(texts: list[str]) -> torch.Tensor:
        ids = [encode_for_reward(tokenizer, as_messages(p.prompt), text) for p, text in zip(held_out, texts)]
        with torch.no_grad():
            return torch.cat([raw_scores(model, ids[start : start + 250], 0) for start in range(0, len(ids), 250)])

    return (scores([p.better for p in held_out]) > scores([p.worse for p in held_out])).float().mean().item()


def test_reliability_beats_the_majority_on_reward_model_accuracy(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    gains = []
    for seed in range(SEEDS):
        taken, found = judged(seed), {}
        for aggregation in (Aggregation.RELIABILITY, Aggregation.MAJORITY):
            folder = tmp_path / f"{seed}-{aggregation}"
            folder.mkdir()
            records = [one.record for one in compared(taken, aggregation)[0]]
            found[aggregation] = accuracy(SmallWorld(folder), records, "votes", seed)
        gains.append(found[Aggregation.RELIABILITY] - found[Aggregation.MAJORITY])
    assert sum(gains) / SEEDS > 0, gains
