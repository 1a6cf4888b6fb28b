"""Both sides of a comparison wait for their threads as services do; libgomp reads this when torch is imported."""

import os

from services.runtime.environment import SHARED_MACHINE

os.environ["GOMP_SPINCOUNT"] = SHARED_MACHINE["GOMP_SPINCOUNT"]
