"""What the control plane exports of how the runs stand; `figures` holds what their steps report."""

from services.runtime.definitions import counter, gauge

RUN, STAGE = ("run",), ("run", "stage")

RUNS = gauge("rlhf_runs", "runs", "Runs known to the control plane, by state", ("state",))
QUEUE_AGE = gauge("rlhf_runs_queue_age_seconds", "seconds", "Time the oldest queued run has waited for a place")
RUN_INFO = gauge("rlhf_run_info", "1", "Always 1; what a run is called and its state", (*RUN, "name", "state"))
ATTEMPT = gauge("rlhf_run_attempt", "attempt", "Number of the attempt under way, from 1: above 1 after a restart", RUN)
HEARTBEAT = gauge(
    "rlhf_run_heartbeat_timestamp_seconds", "unix seconds", "When the worker last gave a sign of life", RUN
)
STEP = gauge("rlhf_run_step", "steps", "Steps that the stage has done", STAGE)
STEPS = gauge("rlhf_run_steps", "steps", "Steps that the stage will do in all", STAGE)
LAST_STEP = gauge(
    "rlhf_run_last_step_timestamp_seconds", "unix seconds", "When the stage's last step was reported", STAGE
)
STEP_SECONDS = gauge("rlhf_run_step_seconds", "seconds", "Time of the last step, everything included", STAGE)
MEDIAN_SECONDS = gauge("rlhf_run_step_seconds_median", "seconds", "Median time of the last 50 steps", STAGE)
SAMPLES = counter("rlhf_run_samples_total", "responses", "Responses that PPO sampled", STAGE)
DROPPED = counter(
    "rlhf_run_dropped_samples_total", "responses", "Responses without a score, which PPO left out", (*STAGE, "reason")
)

# The keys of a step's metrics that DROPPED counts, by reason.
DROP_REASONS = {f"dropped_{reason}": reason for reason in ("too_long", "not_finite", "other")}
