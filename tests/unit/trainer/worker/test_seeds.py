from services.trainer.worker.seeds import derived_seed


def test_neighbouring_keys_give_different_seeds_that_fit_a_signed_integer() -> None:
    seeds = [derived_seed(run, step) for run in range(20) for step in range(50)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_keys_give_the_same_seed() -> None:
    assert derived_seed(3, 5) == derived_seed(3, 5) != derived_seed(5, 3)
