"""A policy in memory: the model and the engine that runs it."""

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


@dataclass(frozen=True)
class PolicyLoader:
    max_slots: int
    start_loop: Callable[[Engine], EngineLoop]

    def load(self, folder: Path) -> PolicyModel:
        model, tokenizer = load_causal(folder).requires_grad_(False), load_tokenizer(folder)
        engine = Engine(model, tokenizer, self.max_slots)
        return PolicyModel(model, tokenizer, engine.max_context, self.start_loop(engine))

    def swap(self, loaded: PolicyModel, folder: Path) -> PolicyModel:
        """In place where the names and shapes of the weights are the same, as they are from step to step of a run."""
        try:
            load_weights(loaded.model, folder)
        except InvalidInput:
            return self.load(folder)
        return loaded
