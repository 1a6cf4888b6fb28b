"""Tokens per second of the SFT learner beside TRL's SFTTrainer: same model, same batches, same dtype and threads."""

import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from services.trainer.recipes import Optimization
from services.trainer.worker.encoding import Example
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.sft import SftObjective
from tests.benchmarks import models, workload
from tests.benchmarks.measurement import Result, Target

BATCH = 32
STEPS = 8
TRL = "1.16"
NOT_INSTALLED = f"trl not installed: pip install 'trl=={TRL}.*'"
SETTINGS = Optimization(learning_rate=1e-3, batch_size=BATCH)


def run(threads: int, repeats: int) -> Iterator[Result]:
    """Yields nothing where TRL is not installed, after saying so."""
    if find_spec("trl") is None:
        print(f"sft: {NOT_INSTALLED}", flush=True)
        return
    prompts, responses = workload.prompts(BATCH * STEPS), workload.responses(BATCH * STEPS)
    examples = [Example(tuple(p), (*r, models.VOCABULARY - 1)) for p, r in zip(prompts, responses, strict=True)]
    tokens = sum(map(len, examples[BATCH:]))
    seconds, peer_seconds = [], []
    for _ in range(repeats):
        seconds.append(train(examples))
        peer_seconds.append(train_with_trl(examples))
    note = f"{STEPS - 1} steps of {BATCH} sequences"
    yield Result("SFT learner", f"TRL {TRL} SFTTrainer", tokens, "tokens", seconds, peer_seconds, Target(), note)


def train(examples: list[Example]) -> float:
    """Seconds of all steps but the first."""
    model = models.policy()
    optimizer = Optimizer(model, SETTINGS, STEPS)
    objective = SftObjective(model, examples, pad_id=0)
    started = 0.0
    for step in range(STEPS):
        if step == 1:
            started = time.perf_counter()
        for loss, _ in objective.losses(range(step * BATCH, (step + 1) * BATCH), micro_batch_size=0):
            loss.backward()
        optimizer.step()
    return time.perf_counter() - started


def train_with_trl(examples: list[Example]) -> float:
    """The same steps in the same order; its loss is on the completion alone, as ours is."""
    from datasets import Dataset, disable_progress_bars
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer  # pyright: ignore[reportMissingImports]

    disable_progress_bars()
    rows = [
        {
            "input_ids": [*example.prompt_ids, *example.response_ids],
            "completion_mask": [0] * len(example.prompt_ids) + [1] * len(example.response_ids),
        }
        for example in examples
    ]
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            per_device_train_batch_size=BATCH,
            max_steps=STEPS,
            learning_rate=SETTINGS.learning_rate,
            weight_decay=0.0,
            max_grad_norm=SETTINGS.max_grad_norm,
            completion_only_loss=True,
            max_length=models.CONTEXT,
            train_sampling_strategy="sequential",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        clock = step_clock()
        trainer = SFTTrainer(
            models.policy(),
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=models.tokenizer(),
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return clock.seconds()


def step_clock() -> Any:
    from transformers import TrainerCallback

    class StepClock(TrainerCallback):
        """Times of step ends; the first step warms up."""

        def __init__(self) -> None:
            self.ends: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

        def seconds(self) -> float:
            assert len(self.ends) == STEPS
            return self.ends[-1] - self.ends[0]

    return StepClock()
