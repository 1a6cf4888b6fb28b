"""A policy in memory: the model and the engine that runs it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.language_model.engine import Engine
from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.weights import load_weights
from services.policy.engine_loop import EngineLoop
from services.runtime.errors import InvalidInput
from services.serving.loaded import Loaded


@dataclass(eq=False)
class PolicyModel(Loaded):
    max_context: int
    loop: EngineLoop
    tokenizer_files: str  # sha256


@dataclass(frozen=True)
class PolicyLoader:
    max_slots: int
    start_loop: Callable[[Engine], EngineLoop]

    def load(self, folder: Path) -> PolicyModel:
        model, tokenizer = load_causal(folder).requires_grad_(False), load_tokenizer(folder)
        engine = Engine(model, tokenizer, self.max_slots)
        loop = self.start_loop(engine)
        return PolicyModel(model, tokenizer, engine.max_context, loop, tokenizer_files(folder))

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
