"""Supervised fine-tuning: the loss is on the response alone, its end-of-sequence token included."""

from collections.abc import Iterator

from torch import Tensor
from transformers import PreTrainedModel

from services.data.records import Demonstration
from services.language_model.loading import load_causal, load_tokenizer
from services.language_model.log_probs import response_log_probs
from services.language_model.tokens import prepare_tokenizer
from services.trainer.attempts import StageOutcome
from services.trainer.recipes import SftSpec
from services.trainer.worker.batches import micro_batches, plan
from services.trainer.worker.context import StageContext
from services.trainer.worker.encoding import Example, encode, length_limit, pad_id, require_rows
from services.trainer.worker.losses.sft import sft_loss
from services.trainer.worker.optimizer import Optimizer
from services.trainer.worker.supervised import Losses, minimise


def run(context: StageContext, spec: SftSpec) -> StageOutcome:
    settings = spec.optimization
    folder = context.models.fetch(context.models.resolve(spec.base_model))
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
    optimizer = Optimizer(model, settings, len(batches))
    losses = batch_losses(model, examples, pad_id(tokenizer), settings.micro_batch_size)
    metrics = minimise(context, optimizer, batches, losses)
    version = context.publish(context.result_name, model, tokenizer, step=len(batches), kind="policy")
    return context.outcome(version, metrics | {"examples": len(examples), "left_out_long": num_long})


def batch_losses(model: PreTrainedModel, examples: list[Example], pad_id: int, micro_batch_size: int) -> Losses:
    lengths, ones = [len(example) for example in examples], [1] * len(examples)

    def losses(batch: list[int]) -> Iterator[tuple[Tensor, dict[str, float]]]:
        num_tokens = sum(len(examples[index].response_ids) for index in batch)
        for micro in micro_batches(batch, lengths, ones, micro_batch_size):
            prompts = [list(examples[index].prompt_ids) for index in micro]
            responses = [list(examples[index].response_ids) for index in micro]
            logprobs_BR, mask_BR, _ = response_log_probs(model, prompts, responses, 1.0, pad_id)
            loss = sft_loss(logprobs_BR, mask_BR, num_tokens)
            yield loss, {"loss": loss.item(), "tokens": float(mask_BR.sum())}

    return losses
