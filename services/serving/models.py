"""A process's models and the one thread that computes with them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from services.serving.pool import ModelPool, T
from services.serving.settings import ModelServerSettings
from services.storage.location import open_store
from services.storage.models import ModelStore


def open_pool(
    settings: ModelServerSettings, load: Callable[[Path], T], swap: Callable[[T, Path], T] | None = None
) -> ModelPool[T]:
    models = ModelStore(open_store(settings.storage), settings.cache, int(settings.cache_gib * 2**30))
    return ModelPool(
        models,
        load,
        swap=swap,
        memory_bytes=settings.memory_mib << 20,
        load_wait_seconds=settings.load_wait_seconds,
    )


def model_thread(settings: ModelServerSettings) -> ThreadPoolExecutor:
    """One, so that requests share batches instead of cores."""
    torch.set_num_threads(settings.threads)
    return ThreadPoolExecutor(1, thread_name_prefix="model")
