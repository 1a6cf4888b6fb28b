"""One attempt of one run, from its base to its last word."""

import atexit
import logging
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from transformers.utils import logging as hf_logging

from services.runtime.channels import open_channel, own_credentials
from services.runtime.errors import InvalidInput, RetryLater, ServiceError
from services.runtime.logs import configure_logging, identify
from services.runtime.metrics import MetricsServer, show_build
from services.runtime.settings import load_settings
from services.runtime.tracing import start_tracing
from services.storage import open_store
from services.storage.datasets import DatasetStore
from services.storage.models import ModelStore
from services.storage.object_store import ObjectStore
from services.trainer import attempts, specs
from services.trainer.launchers.launcher import PASSING
from services.trainer.recipes import RunSpec
from services.trainer.worker import pipeline
from services.trainer.worker.attempt import FollowedAttempt, LiveAttempt, Stopped
from services.trainer.worker.collector import Collector
from services.trainer.worker.context import Workbench
from services.trainer.worker.distributed import Absent, join
from services.trainer.worker.progress import Progress
from services.trainer.worker.ranks import RankLost, Ranks
from services.trainer.worker.rollouts import Channels, ServiceCollector
from services.trainer.worker.settings import WorkerSettings

OK, FAILED, BAD_SETTINGS = 0, 1, 2

log = logging.getLogger(__name__)


def main(settings: WorkerSettings) -> int:
    torch.set_num_threads(settings.threads)
    hf_logging.disable_progress_bar()
    hf_logging.set_verbosity_error()
    identify(service="worker", run=settings.run, attempt=settings.attempt)
    with ExitStack() as opened:
        ranks, scratch = opened.enter_context(join(settings.work_dir))
        metrics_address = serve_metrics(settings, opened) if ranks.leads_node else ""
        try:
            store, attempt, collector = (
                lead(settings, metrics_address, opened) if ranks.rank == 0 else follow(settings, ranks)
            )
        except ServiceError as error:
            log.error("failed: %s", error.message)
            leave(settings.last_words, error)
            return FAILED
        bench = Workbench(
            attempt=attempt,
            models=ModelStore(store, scratch / "models"),
            datasets=DatasetStore(store),
            collector=collector,
            work_dir=scratch,
            ranks=ranks,
        )
        spec = ranks.first(lambda: specs.to_json(specs.read_spec(store, settings.run)))
        return work(bench, specs.from_json(spec))


Outside = tuple[ObjectStore, LiveAttempt, Collector]  # what a worker has of the world


def serve_metrics(settings: WorkerSettings, opened: ExitStack) -> str:
    """Returns the address for others."""
    show_build("worker")
    start_tracing("worker")
    metrics = MetricsServer(settings.metrics_host, settings.metrics_port)
    opened.callback(metrics.stop)
    return address(settings.advertise or settings.metrics_host, metrics.port)


def address(host: str, port: int) -> str:
    """An IPv6 host goes in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def lead(settings: WorkerSettings, metrics_address: str, opened: ExitStack) -> Outside:
    """Of rank 0: it answers for the attempt."""
    store = open_store(settings.storage)
    objects = attempts.Attempt(store, settings.run, settings.attempt)
    try:
        credentials = own_credentials(os.environ)
        channels = [
            opened.enter_context(open_channel(address, credentials))
            for address in (settings.trainer, settings.policy, settings.reward, settings.reference)
        ]
    except ServiceError as error:
        LiveAttempt(objects).finish(attempts.FAILED, error.message)
        raise
    progress = Progress(channels[0], settings.run, settings.attempt, metrics_address)
    attempt = opened.enter_context(LiveAttempt(objects, progress))
    signal.signal(signal.SIGTERM, lambda *_: attempt.stop("asked to stop by SIGTERM"))
    collector = ServiceCollector(Channels(*channels[1:]), attempt.check, settings.service_seconds)
    return store, attempt, collector


def follow(settings: WorkerSettings, ranks: Ranks) -> Outside:
    """Of any other rank. It stops when rank 0 does: torchrun passes SIGTERM on to all of them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    store: Any = Absent("storage")
    attempt = FollowedAttempt(attempts.Attempt(store, settings.run, settings.attempt), ranks.leave_word)
    return store, attempt, cast(Any, Absent("services"))


def leave(last_words: Path | None, error: ServiceError) -> None:
    """What may be otherwise later is marked: another attempt is made then."""
    if last_words:
        last_words.write_text(f"{PASSING if isinstance(error, RetryLater) else ''}{error.message}")


def work(bench: Workbench, spec: RunSpec) -> int:
    """Whatever ends the attempt is its last word; nothing that a defect raises is lost."""
    try:
        pipeline.run(bench, spec)
    except Exception as error:
        return ended(bench, bench.ranks.cause(error))
    bench.attempt.finish(attempts.SUCCEEDED)
    return OK


def ended(bench: Workbench, error: Exception) -> int:
    if isinstance(error, Stopped):
        log.info("stopped: %s", error)
        bench.attempt.finish(attempts.STOPPED, str(error))
        return OK
    log.error("failed", exc_info=error)
    # A rank that was killed is a crash, which another attempt may outlive; only a failure is final.
    state = attempts.STOPPED if isinstance(error, RankLost) else attempts.FAILED
    bench.attempt.finish(state, describe(error))
    return FAILED


def describe(error: Exception) -> str:
    """In words for people: a ServiceError has a message for them, anything else needs its type."""
    return error.message if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"


def end_rank(code: int) -> NoReturn:
    """Of several ranks: the interpreter is not taken down around the threads of gloo, which now and then abort it
    ("terminate called without an active exception"), and with it an attempt that has succeeded."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def settings_or_exit() -> WorkerSettings:
    try:
        return load_settings(WorkerSettings, "RLHF_WORKER_", sys.argv[1:], os.environ)
    except InvalidInput as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        sys.exit(BAD_SETTINGS)


if __name__ == "__main__":
    given = settings_or_exit()
    configure_logging(given.log_json, label=f"rank {os.environ['RANK']}" if "RANK" in os.environ else "")
    code = main(given)
    if "RANK" in os.environ:
        end_rank(code)
    sys.exit(code)
