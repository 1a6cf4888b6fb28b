import itertools
import random
from collections import Counter

import pytest

from services.runtime.errors import InvalidInput
from services.simulator.annotators import Annotator, annotators
from services.simulator.families import all_cases
from services.simulator.raters import RaterPanel
from services.simulator.splits import spread
from services.simulator.world import Rater, World, load_world


@pytest.fixture(scope="module")
def world() -> World:
    return load_world("home")


def annotator(world: World, **biases: float) -> Annotator:
    rater = Rater("x", **{"length": 0.0, "agreement": 0.0, "position": 0.0, "noise": 0.0, **biases})
    return Annotator(world, rater, {case.prompt: case for case in all_cases(world)})


def answers(world: World, count: int) -> list[tuple[str, str, str]]:
    cases = spread(all_cases(world), count, seed=0)
    return [(case.prompt, f"{case.pieces[0]}.", f"{case.subject} is nice.") for case in cases]


@pytest.mark.parametrize(
    "biases", [{}, {"length": 0.6}, {"position": 0.8}, {"noise": 0.4}, {"agreement": 0.5, "position": -0.5}]
)
def test_a_pair_is_judged_with_the_probability_of_the_panel(world: World, biases: dict[str, float]) -> None:
    """Averaged over both positions, as the panel says it."""
    person = annotator(world, **biases)
    panel = RaterPanel(World(world.name, world.families, world.phrases, world.gold_weight, (person.rater,), ""))
    prompt, good, bad = answers(world, 1)[0]
    case = next(case for case in all_cases(world) if case.prompt == prompt)
    hits = sum(person.rank(prompt, [good, bad])[0][0] == 0 for _ in range(1500))
    hits += sum(person.rank(prompt, [bad, good])[0][0] == 1 for _ in range(1500))
    assert hits / 3000 == pytest.approx(panel.probability(case, good, bad), abs=0.03)


def test_the_position_moves_both_orders_apart(world: World) -> None:
    person = annotator(world, position=1.0)
    prompt, good, _ = answers(world, 1)[0]
    first = sum(person.rank(prompt, [good, good + " "])[0][0] == 0 for _ in range(2000)) / 2000
    assert first == pytest.approx(1 / (1 + 2.718**-1.0), abs=0.03), "one logit for standing first"


def test_a_coin_ranks_in_every_order_alike(world: World) -> None:
    person, (prompt, good, bad) = annotator(world, noise=1.0), answers(world, 1)[0]
    found = Counter(tuple(person.rank(prompt, [good, bad, "Well."])[0]) for _ in range(1800))
    assert set(found) == set(itertools.permutations(range(3)))
    assert min(found.values()) > 240


def test_a_clear_lead_is_strong(world: World) -> None:
    person, rng = annotator(world), random.Random(0)
    strengths = [person.rank(prompt, [good, bad])[1] for prompt, good, bad in rng.sample(answers(world, 8), 40)]
    assert set(strengths) <= {1, 2, 3}
    assert len(set(strengths)) > 1


def test_annotators_take_turns_and_the_last_ones_toss_coins() -> None:
    people = annotators("home", 7, random_count=2)
    assert [p.rater.name for p in people] == [
        "sim-ada", "sim-ben", "sim-cleo", "sim-dov", "sim-eva", "sim-coin-6", "sim-coin-7",
    ]  # fmt: skip
    assert [p.rater.noise for p in people[-2:]] == [1.0, 1.0]
    assert annotators("home", 6)[5].rater.name == "sim-ada-2"
    with pytest.raises(InvalidInput):
        annotators("home", 2, random_count=3)


def test_what_is_not_of_their_world_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="simulated raters know no other"):
        annotator(world).rank("What is love?", ["a", "b"])


def test_a_demonstration_is_written_for_the_prompt(world: World) -> None:
    prompt, *_ = answers(world, 1)[0]
    assert annotator(world).write(prompt)
