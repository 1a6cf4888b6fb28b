"""Reward and reference services under concurrent load, against the same forward passes in process."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rlhf.v1 import reference_pb2, reference_pb2_grpc, reward_pb2, reward_pb2_grpc
from rlhf.v1.types_pb2 import Prompt, Response, TokenIds

from services.language_model.log_probs import response_log_probs
from services.language_model.scoring import raw_scores
from services.language_model.tokens import tokenizer_digest
from services.local.process import ServiceProcess
from services.runtime.channels import call, open_channel
from services.storage import open_store
from services.storage.models import ModelStore
from tests.benchmarks import models, workload
from tests.benchmarks.measurement import Result, Target, alternate

ITEMS = 256
PER_CALL = 16
CLIENTS = 8  # calls in flight
BATCH = 32
TARGET = Target(at_least=0.8)
PEER = f"the same forward in process, batches of {BATCH} in the order given"
NOTE = f"{CLIENTS} calls of {PER_CALL} sequences in flight"
SORTED = f"the same, sorted by length first, batches of {BATCH}"
SECONDS = 120.0


def run(threads: int, repeats: int) -> Iterator[Result]:
    prompts, responses = workload.prompts(ITEMS), workload.responses(ITEMS)
    work = list(zip(prompts, responses, strict=True))
    by_length = sorted(work, key=lambda pair: -len(pair[0]) - len(pair[1]))
    tokens = sum(len(prompt) + len(response) for prompt, response in work)
    for name, model, ask, forward in (
        ("reward", models.reward_model(), ask_reward, score),
        ("reference", models.policy(), ask_reference, log_probs),
    ):
        with served(name, model, threads) as address, ThreadPoolExecutor(CLIENTS) as clients:
            under_load = loaded(ask(address), work, clients)
            for peer, order, target in ((PEER, work, TARGET), (SORTED, by_length, Target())):
                seconds = alternate(under_load, in_process(forward, model, order), repeats)
                yield Result(f"{name} service", peer, tokens, "tokens", *seconds, target, NOTE)


@contextmanager
def served(name: str, model: Any, threads: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        store = ModelStore(open_store(str(path / "storage")), path / "cache")
        store.publish("bench", models.write(model, path / "model"), attempt=1, step=0)
        arguments = ["--storage", str(path / "storage"), "--cache", str(path / "cache"), "--threads", str(threads)]
        process = ServiceProcess(name, arguments, port=0, metrics_port=0, log=path / "log.txt")
        process.start()
        try:
            process.wait_until_healthy(time.monotonic() + SECONDS)
            yield process.address
        finally:
            process.stop(SECONDS)


def loaded(ask: Callable[[Sequence], object], work: list, clients: ThreadPoolExecutor) -> Callable[[], None]:
    calls = workload.pieces(work, PER_CALL)

    def run_all() -> None:
        assert len(list(clients.map(ask, calls))) == len(calls)

    return run_all


def in_process(forward: Callable, model: Any, work: list) -> Callable[[], None]:
    batches = workload.pieces(work, BATCH)

    @torch.inference_mode()
    def run_all() -> None:
        for batch in batches:
            forward(model, [prompt for prompt, _ in batch], [response for _, response in batch])

    return run_all


def score(model: Any, prompts: list[list[int]], responses: list[list[int]]) -> list[float]:
    return raw_scores(model, [[*p, *r] for p, r in zip(prompts, responses)], pad_id=0).tolist()


def log_probs(model: Any, prompts: list[list[int]], responses: list[list[int]]) -> list[list[float]]:
    return response_log_probs(model, prompts, responses, 1.0, pad_id=0).logprobs_BR.tolist()


def ask_reward(address: str) -> Callable[[Sequence], None]:
    stub, digest = reward_pb2_grpc.RewardServiceStub(open_channel(address)), tokenizer_digest(models.tokenizer())

    def ask(pairs: Sequence) -> None:
        items = [
            reward_pb2.ScoreItem(
                prompt=Prompt(token_ids=TokenIds(ids=prompt)), response=Response(token_ids=TokenIds(ids=response))
            )
            for prompt, response in pairs
        ]
        request = reward_pb2.ScoreRequest(models=["bench"], items=items, tokenizer_digest=digest)
        scores = call(stub.Score, request, SECONDS).scores
        assert [s.status for s in scores] == [reward_pb2.SCORE_STATUS_OK] * len(pairs)

    return ask


def ask_reference(address: str) -> Callable[[Sequence], None]:
    stub = reference_pb2_grpc.ReferenceServiceStub(open_channel(address))

    def ask(pairs: Sequence) -> None:
        rows = [reference_pb2.TokenSequence(prompt_ids=prompt, response_ids=response) for prompt, response in pairs]
        found = call(stub.LogProbs, reference_pb2.LogProbsRequest(model="bench", sequences=rows), SECONDS).sequences
        assert [len(row.log_probs) for row in found] == [len(response) for _, response in pairs]

    return ask
