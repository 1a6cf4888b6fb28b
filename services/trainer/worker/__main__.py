"""One attempt of one run, from its base to its last word."""

import logging
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import torch
from transformers.utils import logging as hf_logging

from services.runtime.channels import open_channel
from services.runtime.errors import InvalidInput, ServiceError
from services.runtime.metrics import MetricsServer, show_build
from services.runtime.process import configure_logging
from services.runtime.settings import load_settings
from services.storage import open_store
from services.storage.datasets import DatasetStore
from services.storage.models import ModelStore
from services.trainer import attempts, specs
from services.trainer.recipes import RunSpec
from services.trainer.worker import pipeline
from services.trainer.worker.attempt import LiveAttempt, Stopped
from services.trainer.worker.context import Workbench
from services.trainer.worker.progress import Progress
from services.trainer.worker.rollouts import Channels, ServiceCollector
from services.trainer.worker.settings import WorkerSettings

OK, FAILED, BAD_SETTINGS = 0, 1, 2

log = logging.getLogger(__name__)


def main(settings: WorkerSettings) -> int:
    store = open_store(settings.storage)
    torch.set_num_threads(settings.threads)
    hf_logging.disable_progress_bar()
    hf_logging.set_verbosity_error()
    with ExitStack() as opened:
        show_build("worker")
        metrics = MetricsServer(settings.metrics_host, settings.metrics_port)
        opened.callback(metrics.stop)
        channels = [
            opened.enter_context(open_channel(address))
            for address in (settings.trainer, settings.policy, settings.reward, settings.reference)
        ]
        objects = attempts.Attempt(store, settings.run, settings.attempt)
        progress = Progress(channels[0], settings.run, settings.attempt, f"{settings.metrics_host}:{metrics.port}")
        attempt = opened.enter_context(LiveAttempt(objects, progress))
        signal.signal(signal.SIGTERM, lambda *_: attempt.stop("asked to stop by SIGTERM"))
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=settings.work_dir)))
        bench = Workbench(
            attempt=attempt,
            models=ModelStore(store, scratch / "models"),
            datasets=DatasetStore(store),
            collector=ServiceCollector(Channels(*channels[1:]), attempt.check),
            work_dir=scratch,
        )
        return work(bench, specs.read_spec(store, settings.run))


def work(bench: Workbench, spec: RunSpec) -> int:
    """Whatever ends the attempt is its last word; nothing that a defect raises is lost."""
    try:
        pipeline.run(bench, spec)
    except Stopped as reason:
        log.info("stopped: %s", reason)
        bench.attempt.finish(attempts.STOPPED, str(reason))
        return OK
    except Exception as error:
        log.exception("failed")
        bench.attempt.finish(attempts.FAILED, describe(error))
        return FAILED
    bench.attempt.finish(attempts.SUCCEEDED)
    return OK


def describe(error: Exception) -> str:
    """In words for people: a ServiceError has a message for them, anything else needs its type."""
    return error.message if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"


def settings_or_exit() -> WorkerSettings:
    try:
        return load_settings(WorkerSettings, "RLHF_WORKER_", sys.argv[1:], os.environ)
    except InvalidInput as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        sys.exit(BAD_SETTINGS)


if __name__ == "__main__":
    configure_logging(as_json=False)
    sys.exit(main(settings_or_exit()))
