"""Supervised fine-tuning: the loss is on the response alone, its end-of-sequence token included."""

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel

from services.data.records import Demonstration
from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.log_probs import response_log_probs
from services.language_model.tokens import prepare_tokenizer
from services.trainer.attempts import StageOutcome
from services.trainer.recipes import SftSpec
from services.trainer.worker.batches import plan
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import Example, encode, length_limit, pad_id, require_rows
from services.trainer.worker.losses.sft import sft_loss
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.supervised import Objective, minimise


def run(context: StageContext, spec: SftSpec) -> StageOutcome:
    settings = spec.optimization
    _, folder = context.model(spec.base_model)
    tokenizer, model = load_tokenizer(folder), load_causal(folder)
    prepare_tokenizer(tokenizer, model)
    limit = length_limit(model.config, tokenizer, settings.max_length)
    encoded = [
        encode(tokenizer, r.prompt, r.response) for r in context.records("sft.dataset", spec.dataset, Demonstration)
    ]
    examples = [example for example in encoded if len(example) <= limit]
    num_long = len(encoded) - len(examples)
    require_rows(examples, "sft.dataset", num_long, limit)
    batches = plan([1] * len(examples), settings.batch_size, settings.epochs, context.seed)
    optimizer = Optimizer(context.ranks.shard(model), settings, len(batches))
    metrics = minimise(context, optimizer, batches, SftObjective(model, examples, pad_id(tokenizer)))
    version = context.publish(context.result_name, model, tokenizer, step=len(batches), kind="policy")
    return context.outcome(version, metrics | {"examples": len(examples), "left_out_long": num_long})


class SftObjective(Objective):
    def __init__(self, model: PreTrainedModel, examples: Sequence[Example], pad_id: int) -> None:
        self.model, self.examples, self.pad_id = model, examples, pad_id
        self.lengths, self.sizes = [len(example) for example in examples], [1] * len(examples)
        self.weights = [len(example.response_ids) for example in examples]

    def loss(self, micro: Sequence[int], total: float) -> tuple[Tensor, dict[str, float]]:
        prompts = [list(self.examples[index].prompt_ids) for index in micro]
        responses = [list(self.examples[index].response_ids) for index in micro]
        logprobs_BR, mask_BR, _ = response_log_probs(self.model, prompts, responses, 1.0, self.pad_id)
        loss = sft_loss(logprobs_BR, mask_BR, total)
        return loss, {"loss": loss.item(), "tokens": float(mask_BR.sum())}
