"""A process's models and the one thread that computes with them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch

from services.serving.loaded import weight_bytes
from services.serving.metrics import ServingMetrics
from services.serving.pool import ModelPool, T
from services.serving.resident import Resident
from services.serving.settings import ModelServerSettings
from services.storage.location import open_store
from services.storage.models import ModelStore


def open_pool(
    settings: ModelServerSettings,
    metrics: ServingMetrics,
    load: Callable[[Path], T],
    swap: Callable[[T, Path], T] | None = None,
    needed_bytes: Callable[[Path], int] = weight_bytes,
) -> ModelPool[T]:
    models = ModelStore(open_store(settings.storage), settings.cache, int(settings.cache_gib * 2**30))
    pool = ModelPool(
        models,
        load,
        swap=swap,
        needed_bytes=needed_bytes,
        memory_bytes=settings.memory_mib << 20,
        load_wait_seconds=settings.load_wait_seconds,
        on_settled=partial(_count_load, metrics),
    )
    metrics.watch_memory(pool.memory_used, settings.memory_mib << 20)
    return pool


def _count_load(metrics: ServingMetrics, resident: Resident, seconds: float) -> None:
    series = metrics.of(resident.version.model)
    if resident.error:
        series.weights_failures.inc()
    else:
        series.weights_load.observe(seconds)


def model_thread(settings: ModelServerSettings) -> ThreadPoolExecutor:
    """One, so that requests share batches instead of cores."""
    torch.set_num_threads(settings.threads)
    return ThreadPoolExecutor(1, thread_name_prefix="model")
