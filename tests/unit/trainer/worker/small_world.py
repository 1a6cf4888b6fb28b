"""A world small enough to train in: words, a random model, datasets, and stages without a control plane."""

import random
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from services.data.canonical import write_canonical
from services.data.records import Comparison, Demonstration, Message, PromptRecord, Record
from services.language_model.loading import save
from services.storage import open_store
from services.storage.datasets import DatasetStore
from services.storage.models import ModelStore, Version
from services.trainer import attempts
from services.trainer.attempts import Attempt, Base, StageOutcome
from services.trainer.recipes import RunSpec, StageSpec
from services.trainer.worker import pipeline
from services.trainer.worker.attempt import LiveAttempt, Send
from services.trainer.worker.collector import Collector
from services.trainer.worker.context import Workbench
from tests.unit.trainer.worker.direct_collector import DirectCollector

WORDS = [f"w{index}" for index in range(24)]
SPECIAL = ["<pad>", "<unk>", "<eos>", "<user>", "<assistant>"]
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    words = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    backend = Tokenizer(WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>", model_max_length=64
    )
    fast.add_special_tokens({"additional_special_tokens": ["<user>", "<assistant>"]})
    fast.chat_template = TEMPLATE
    return fast


def config(**more: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=2,
        bos_token_id=None,
        **more,
    )


def policy(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(config()).eval()


@dataclass
class SmallWorld:
    """One storage with a base model and datasets; `run` is one attempt of a run, in this process."""

    folder: Path
    run_id: str = "run-1"
    models: ModelStore = field(init=False)
    datasets: DatasetStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = open_store(str(self.folder / "storage"))
        self.models = ModelStore(self.store, self.folder / "cache")
        self.datasets = DatasetStore(self.store)

    def publish(self, name: str, model: torch.nn.Module) -> Version:
        target = self.folder / uuid.uuid4().hex
        save(model, tokenizer(), target)  # type: ignore[arg-type]
        return self.models.publish(name, target, attempt=1, step=0)

    def put(self, name: str, records: list[Record]) -> str:
        path = self.folder / f"{name}.jsonl"
        write_canonical(path, records)
        info = {"record_type": "any", "num_records": len(records), "num_bad": 0, "detected_format": "canonical"}
        return str(self.datasets.put(name, path, info))

    def bench(self, attempt: LiveAttempt, collector: Collector | None = None) -> Workbench:
        work_dir = self.folder / "work"
        work_dir.mkdir(exist_ok=True)
        return Workbench(
            attempt=attempt,
            models=self.models,
            datasets=self.datasets,
            collector=collector or DirectCollector(self.models),
            work_dir=work_dir,
        )

    def run(
        self, spec: RunSpec, number: int = 1, collector: Collector | None = None, send: Send = lambda step: False
    ) -> dict[str, StageOutcome]:
        """Attempt `number`, from where the one before it left."""
        names = [name for name, _ in spec.stages()]
        objects = Attempt(self.store, self.run_id, number)
        objects.write_base(attempts.next_base(self.store, self.run_id, number - 1, names) if number > 1 else Base())
        with LiveAttempt(objects, send) as attempt:
            return pipeline.run(self.bench(attempt, collector), spec)

    def train(self, stage: StageSpec, name: str = "result", seed: int = 0, **more: bool) -> StageOutcome:
        (outcome,) = self.run(RunSpec(name, stage, seed=seed, **more)).values()  # type: ignore[arg-type]
        return outcome

    def weights(self, outcome: StageOutcome) -> Path:
        return self.models.fetch(self.models.version(outcome.model, outcome.version))


def questions(count: int, seed: int = 0) -> list[tuple[Message, ...]]:
    """Prompts of one to six words."""
    draw = random.Random(seed)
    return [(Message("user", " ".join(draw.choices(WORDS, k=draw.randint(1, 6)))),) for _ in range(count)]


def demonstrations(count: int, seed: int = 0) -> list[Record]:
    """The answer repeats the prompt's last word once or twice: easy to learn."""
    prompts, draw = questions(count, seed), random.Random(seed)
    return [Demonstration(p, " ".join(p[0].content.split()[-1:] * draw.randint(1, 2))) for p in prompts]


def comparisons(count: int, seed: int = 0) -> list[Record]:
    """The better answer ends in w0, the worse one in w1."""
    return [Comparison(prompt, "w5 w0", "w5 w1") for prompt in questions(count, seed)]


def prompts(count: int, seed: int = 0) -> list[Record]:
    return [PromptRecord(prompt) for prompt in questions(count, seed)]
