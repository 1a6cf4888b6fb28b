"""Seeds that follow from other seeds, so that no state is carried from one use to the next."""

import numpy as np


def derived_seed(*keys: int) -> int:
    """Below 2**63; neighbouring keys give unrelated seeds."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1)
