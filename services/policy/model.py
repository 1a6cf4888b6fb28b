"""A policy in memory: the model and the engine that runs it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import AutoConfig

from services.language_model.engine import Engine
from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.support import context_length, token_bytes
from services.language_model.weights import load_weights
from services.policy.engine_loop import EngineLoop
from services.runtime.errors import InvalidInput
from services.serving.loaded import Loaded, weight_bytes

ENGINES = 2  # of one model: what requests share, and one for requests whose batch is their own, one after another


@dataclass(eq=False)
class PolicyModel(Loaded):
    max_context: int
    loop: EngineLoop
    tokenizer_files: str  # sha256
    cache_bytes: int  # at most, for keys and values of all that runs
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of requests whose batches are their own

    @property
    def memory_bytes(self) -> int:
        return super().memory_bytes + self.cache_bytes

    @asynccontextmanager
    async def loop_for(self, deterministic: bool) -> AsyncIterator[EngineLoop]:
        """The loop that requests share, or one with an empty engine, which one request has at a time."""
        if not deterministic:
            yield self.loop
            return
        async with self.turn:
            yield self.loop.alone()


@dataclass(frozen=True)
class PolicyLoader:
    max_slots: int
    max_cache_bytes: int  # of one engine
    device: torch.device
    start_loop: Callable[[Engine], EngineLoop]

    def needed_bytes(self, folder: Path) -> int:
        """Of the model in the folder before it is loaded: weights, and keys and values of all that may run."""
        return weight_bytes(folder) + ENGINES * self._cache_bytes(folder)

    def load(self, folder: Path) -> PolicyModel:
        model, tokenizer = load_causal(folder, device=self.device).requires_grad_(False), load_tokenizer(folder)
        cache_bytes = self._cache_bytes(folder)
        engine = Engine(model, tokenizer, self.max_slots, max_cache_bytes=cache_bytes)
        loop, files = self.start_loop(engine), tokenizer_files(folder)
        return PolicyModel(model, tokenizer, engine.max_context, loop, files, ENGINES * cache_bytes)

    def _cache_bytes(self, folder: Path) -> int:
        """No more than all slots could use."""
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        return min(self.max_cache_bytes, self.max_slots * context_length(config) * token_bytes(config))

    def swap(self, loaded: PolicyModel, folder: Path) -> PolicyModel:
        """In place where tokenizer, names and shapes are the same, as they are from step to step of a run."""
        if tokenizer_files(folder) != loaded.tokenizer_files:
            return self.load(folder)
        try:
            load_weights(loaded.model, folder)
        except InvalidInput:
            return self.load(folder)
        return loaded


def tokenizer_files(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((*folder.glob("*token*"), *folder.glob("chat_template*"), *folder.glob("vocab*"))):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
