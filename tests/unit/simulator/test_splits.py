from services.simulator.evaluation import PER_FAMILY
from services.simulator.splits import cases, draw, spread
from services.simulator.world import load_world

WORLD = load_world("home")


def test_no_prompt_is_in_two_splits() -> None:
    pools = [{case.prompt for case in cases(WORLD, split)} for split in ("train", "held_out", "unseen_template")]
    pools.append({case.prompt for case in cases(WORLD, "unseen_family")})
    assert sum(map(len, pools)) == len(set().union(*pools))
    assert all(pools)


def test_the_evaluation_asks_at_least_200_distinct_held_out_prompts() -> None:
    chosen = spread(cases(WORLD, "held_out"), per_family=PER_FAMILY["held_out"], seed=0)
    assert len({case.prompt for case in chosen}) == len(chosen) >= 200


def test_draw_balances_families_and_repeats_late() -> None:
    pool = cases(WORLD, "train")
    chosen = draw(pool, 160, seed=1)
    counts = {family: [case.family for case in chosen].count(family) for family in {case.family for case in pool}}
    assert set(counts.values()) == {20}
    assert len({case.prompt for case in chosen}) == 160
    assert draw(pool, 160, seed=1) == chosen != draw(pool, 160, seed=2)
