"""What a worker process measures where it runs. What a run achieves is exported by the control plane alone."""

from services.runtime.definitions import histogram

STAGE_SECONDS = histogram(
    "rlhf_stage_seconds",
    "seconds",
    "One part of a step: rollout, score, reference, advantage, update, publish or checkpoint",
    ("run", "stage"),
)
