from functools import partial

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from services.data.records import Comparison, Demonstration, Message
from services.language_model.loading import load_reward, load_tokenizer
from services.language_model.scoring import encode_for_reward, raw_scores
from services.trainer.recipes import Optimization, RewardModelSpec
from services.trainer.worker.comparisons import Comparisons, connected, group_by_prompt
from services.trainer.worker.encoding import as_messages
from services.trainer.worker.reward_model import Ids, RewardObjective, accuracy, encode, load_start, pair_scores, split
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, comparisons, demonstrations, questions

LEARNS = Optimization(learning_rate=3e-3, epochs=2)


def scores(world: SmallWorld, outcome: object, answers: list[tuple[tuple[Message, ...], str]]) -> torch.Tensor:
    folder = world.weights(outcome)  # type: ignore[arg-type]
    tokenizer, model = load_tokenizer(folder), load_reward(folder)
    ids = [encode_for_reward(tokenizer, as_messages(prompt), text) for prompt, text in answers]
    with torch.no_grad():
        return raw_scores(model, ids, 0) - model.config.reward_offset


def test_it_learns_the_preference_on_prompts_it_never_saw(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    outcome = world.train(RewardModelSpec(str(base), world.put("pairs", comparisons(200)), optimization=LEARNS))
    assert outcome.metrics["held_out_accuracy"] > 0.9
    assert outcome.metrics["held_out_pairs"] == 10
    prompts = questions(30, seed=9)
    good, bad = (scores(world, outcome, [(p, text) for p in prompts]) for text in ("w3 w0", "w3 w1"))
    assert (good > bad).float().mean() > 0.9


def test_demonstrations_score_zero_on_average(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    rows = demonstrations(100)
    spec = RewardModelSpec(str(base), world.put("pairs", comparisons(64)), world.put("demos", rows), LEARNS)
    outcome = world.train(spec)
    answers = [(row.prompt, row.response) for row in rows if isinstance(row, Demonstration)]
    assert scores(world, outcome, answers).mean().item() == pytest.approx(0, abs=1e-4)
    assert abs(outcome.metrics["reward_offset"]) > 0.01


def test_without_demonstrations_the_chosen_answers_score_zero(world: SmallWorld) -> None:
    base = world.publish("base", small_world.policy())
    rows = comparisons(64)
    outcome = world.train(RewardModelSpec(str(base), world.put("pairs", rows), optimization=LEARNS))
    answers = [(row.prompt, row.chosen) for row in rows if isinstance(row, Comparison)]
    assert scores(world, outcome, answers).mean().item() == pytest.approx(0, abs=1e-4)


def grouped(tokenizer: PreTrainedTokenizerBase, rows: list[Comparison], limit: int) -> Comparisons[Ids]:
    return group_by_prompt(rows, partial(encode, tokenizer), limit)


def test_all_pairs_of_a_prompt_stay_together_and_ties_go() -> None:
    """Four ranked answers make six pairs of four sequences, each scored once."""
    prompt = (Message("user", "w1"),)
    ranked = ["w2", "w3", "w4", "w5"]
    rows = [Comparison(prompt, ranked[i], ranked[j]) for i in range(4) for j in range(i + 1, 4)]
    tie, long = Comparison(prompt, "w2", "w2"), Comparison(prompt, "w2", "w9 " * 40)
    other = Comparison((Message("user", "w7"),), "w2", "w3")
    found = grouped(small_world.tokenizer(), [*rows, tie, long, other], limit=20)
    assert [(len(g.pairs), len(g.places)) for g in found.groups] == [(6, 4), (1, 2)]
    assert (found.num_ties, found.num_long) == (1, 1)


def test_a_prompt_asked_twice_is_cut_where_no_answer_is_shared() -> None:
    prompt = (Message("user", "w1"),)
    rows = [Comparison(prompt, *pair) for pair in (("w2", "w3"), ("w4", "w5"), ("w3", "w6"), ("w5", "w7"))]
    (group,) = grouped(small_world.tokenizer(), rows, limit=20).groups
    parts = connected(group)
    assert [(len(part.pairs), len(part.places)) for part in parts] == [(2, 3), (2, 3)]
    assert not set(parts[0].places) & set(parts[1].places)


def test_scores_of_pairs_belong_to_their_sequences(world: SmallWorld) -> None:
    tokenizer, model = load_start(world.models.fetch(world.publish("base", small_world.policy())), seed=0)
    groups = grouped(tokenizer, [r for r in comparisons(12) if isinstance(r, Comparison)], 64).groups
    chosen_N, rejected_N, _, _ = pair_scores(model, groups, 0)
    flat = [(g.answers[pair.chosen], g.answers[pair.rejected]) for g in groups for pair in g.pairs]
    for n, (chosen, rejected) in enumerate(flat):
        assert chosen_N[n].item() == pytest.approx(raw_scores(model, [chosen], 0).item(), abs=1e-5)
        assert rejected_N[n].item() == pytest.approx(raw_scores(model, [rejected], 0).item(), abs=1e-5)


def test_weight_and_margin_of_a_comparison_reach_the_loss(world: SmallWorld) -> None:
    tokenizer, model = load_start(world.models.fetch(world.publish("base", small_world.policy())), seed=0)
    prompt = (Message("user", "w1"),)
    rows = [
        Comparison(prompt, "w2", "w3", margin=1.5, weight=3.0),
        Comparison(prompt, "w4", "w5"),
        Comparison(prompt, "w4", "w2", weight=0.5),
    ]
    groups = [part for group in grouped(tokenizer, rows, 64).groups for part in connected(group)]
    (metrics,) = [found for _, found in RewardObjective(model, groups, 0).losses(range(len(groups)), 0)]
    score = {w: raw_scores(model, [encode(tokenizer, prompt, w)], 0).item() for w in ("w2", "w3", "w4", "w5")}
    leads = [score["w2"] - score["w3"] - 1.5, score["w4"] - score["w5"], score["w4"] - score["w2"]]
    each = [-torch.nn.functional.logsigmoid(torch.tensor(lead)).item() for lead in leads]
    assert metrics["loss"] == pytest.approx((3 * each[0] + each[1] + 0.5 * each[2]) / 4.5, abs=1e-5)
    right = [weight for lead, weight in zip((leads[0] + 1.5, *leads[1:]), (3, 1, 0.5)) if lead > 0]
    assert metrics["accuracy"] == pytest.approx(sum(right) / 4.5)
    assert accuracy(model, groups, 0) == pytest.approx(sum(right) / 4.5)


def test_a_pair_with_all_the_weight_decides_what_is_learned(world: SmallWorld) -> None:
    """One rater of four says the opposite; by weight the three are one row."""
    base = world.publish("base", small_world.policy())
    rows = [row for row in comparisons(128) if isinstance(row, Comparison)]
    opposed = [Comparison(row.prompt, row.rejected, row.chosen, weight=3.0) for row in rows]
    spec = RewardModelSpec(str(base), world.put("pairs", [*rows, *opposed]), optimization=LEARNS)
    outcome = world.train(spec)
    prompts = questions(30, seed=9)
    good, bad = (scores(world, outcome, [(p, text) for p in prompts]) for text in ("w3 w0", "w3 w1"))
    assert (good < bad).float().mean() > 0.9


def test_no_prompt_is_both_trained_on_and_held_out() -> None:
    rows = [r for r in comparisons(300) if isinstance(r, Comparison)]
    groups = grouped(small_world.tokenizer(), rows, 64).groups
    held_out, kept = split(groups, seed=3)
    assert len(held_out) == round(0.05 * len(groups)) > 0
    assert len(held_out) + len(kept) == len(groups)
    assert not {id(group) for group in held_out} & {id(group) for group in kept}


def test_the_head_starts_with_a_spread_of_one_over_root_d_plus_one(world: SmallWorld) -> None:
    folder = world.models.fetch(world.publish("base", small_world.policy()))
    heads = torch.cat([load_start(folder, seed)[1].score.weight.flatten() for seed in range(40)])
    assert heads.std().item() == pytest.approx(1 / 33**0.5, rel=0.1)
    assert heads.mean().abs() < 0.02
