import random

from services.simulator.demonstrations import demonstrate
from services.simulator.raters import RaterPanel, bayes_ceiling
from services.simulator.splits import cases, draw
from services.simulator.world import load_world

WORLD = load_world("home")
PANEL = RaterPanel(WORLD)
POOL = draw(cases(WORLD, "train"), 2000, seed=3)
PAIRS = list(zip(POOL, demonstrate(WORLD, POOL, 1), demonstrate(WORLD, POOL, 2), strict=True))


def test_labels_have_the_frequency_that_the_panel_states() -> None:
    rng = random.Random(0)
    case, a, b = next(pair for pair in PAIRS if 0.6 < PANEL.probability(*pair) < 0.8)
    share = sum(PANEL.label(case, a, b, rng).first_preferred for _ in range(4000)) / 4000
    assert abs(share - PANEL.probability(case, a, b)) < 4 * (0.25 / 4000) ** 0.5


def test_no_judge_beats_the_ceiling_and_the_best_one_reaches_it() -> None:
    rng = random.Random(0)
    judgements = [PANEL.label(*pair, rng) for pair in PAIRS]
    right = sum((j.probability > 0.5) == j.first_preferred for j in judgements) / len(judgements)
    ceiling = bayes_ceiling([j.probability for j in judgements])
    assert 0.70 <= ceiling <= 0.80
    assert abs(right - ceiling) < 0.04


def test_planted_biases_show() -> None:
    case = next(case for case in POOL if case.prompt.startswith("What is rain"))
    same = "Rain is water that falls from clouds."
    assert PANEL.probability(case, same, same) == 0.5
    flattering, plain = "What a great question!", "Many people talk about it."
    features = PANEL._features(case, flattering, plain)
    assert features[2] == 1
    kind, biased = sorted(WORLD.raters, key=lambda rater: rater.agreement)[:: len(WORLD.raters) - 1]
    assert PANEL._chance(biased, (0, 0, 1), True) > PANEL._chance(kind, (0, 0, 1), True)
    assert PANEL._chance(biased, (0, 2, 0), True) > PANEL._chance(biased, (0, 0, 0), True)
    assert PANEL._chance(biased, (0, 0, 0), True) > PANEL._chance(biased, (0, 0, 0), False)
