"""The generation engine against `generate` of transformers: requests whose responses end after 8 to 128 tokens.

Where a batch of `generate` runs until its longest response is done, the engine lets the next request in.
"""

from collections.abc import Callable, Iterator

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from services.language_model.engine import Engine
from services.language_model.generation import Request
from services.language_model.sampling import SamplingParams
from tests.benchmarks import models, workload
from tests.benchmarks.measurement import Result, Target, alternate

REQUESTS = 64
PEER_BATCH = 32


def run(threads: int, repeats: int) -> Iterator[Result]:
    model, tokenizer = models.policy(), models.tokenizer(never_ends=True)
    prompts = workload.prompts(REQUESTS)
    lengths = [len(response) for response in workload.responses(REQUESTS)]
    seconds = alternate(
        with_engine(model, tokenizer, prompts, lengths),
        with_transformers(model, tokenizer, prompts, lengths),
        repeats,
    )
    peer = f"transformers generate, batches of {PEER_BATCH}"
    note = f"{REQUESTS} requests, response lengths 8–128"
    yield Result("generation engine", peer, sum(lengths), "tokens", *seconds, Target(at_least=1.5), note)


def with_engine(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[list[int]], lengths: list[int]
) -> Callable[[], None]:
    engine = Engine(model, tokenizer)
    requests = [
        Request(prompt, SamplingParams(max_new_tokens=length), prompt_index=index)
        for index, (prompt, length) in enumerate(zip(prompts, lengths, strict=True))
    ]

    def generate() -> None:
        generations = engine.generate(requests)
        assert [len(generation.response_ids) for generation in generations] == lengths

    return generate


def with_transformers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[list[int]], lengths: list[int]
) -> Callable[[], None]:
    """Sampled as the engine does, temperature 1 and no truncation; each response is cut to its length and decoded."""
    model.generation_config.eos_token_id = None
    batches = workload.pieces(list(zip(prompts, lengths, strict=True)), PEER_BATCH)

    def generate() -> None:
        for batch in batches:
            ids_BT, mask_BT = pad_left([prompt for prompt, _ in batch])
            longest = max(length for _, length in batch)
            found_BT = model.generate(  # pyright: ignore[reportAttributeAccessIssue]
                ids_BT, attention_mask=mask_BT, max_new_tokens=longest, do_sample=True, top_k=0, top_p=1.0
            )
            assert found_BT.shape[1] == ids_BT.shape[1] + longest
            responses = found_BT[:, ids_BT.shape[1] :].tolist()
            tokenizer.batch_decode([ids[:length] for ids, (_, length) in zip(responses, batch)])

    return generate


def pad_left(prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, prompts))
    ids_BT = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask_BT = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids_BT, mask_BT
