"""Where the workers under way serve their metrics, as Prometheus' HTTP service discovery reads it."""

import json

from services.trainer.records import RunState
from services.trainer.runs import Runs


def targets(runs: Runs) -> bytes:
    """Of the workers on this machine; on a cluster Prometheus finds the pods itself."""
    running = [run for run in runs.newest_first() if run.record.state is RunState.RUNNING]
    return json.dumps([{"targets": [run.metrics_address]} for run in running if run.metrics_address]).encode()
