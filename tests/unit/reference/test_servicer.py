import asyncio
import time
from pathlib import Path

import grpc
import pytest
import torch
from prometheus_client import CollectorRegistry
from rlhf.v1 import lifecycle_pb2, lifecycle_pb2_grpc
from rlhf.v1 import reference_pb2 as pb
from rlhf.v1.reference_pb2_grpc import ReferenceServiceStub

from services.reference.servicer import register
from services.reference.settings import ReferenceSettings
from tests.unit.language_model.small_models import byte_level, causal, random_ids
from tests.unit.serving.live import Shelf, channel_to, retry_after, violations

SFT = {"model_name": "sft"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    shelf = Shelf(tmp_path_factory.mktemp("reference"))
    shelf.publish("sft", causal("llama"), byte_level(pad_token="<s>"))
    return shelf


def settings(shelf: Shelf, **options) -> ReferenceSettings:
    return ReferenceSettings(**{**shelf.options, **options})


def sequences(count: int, seed: int = 0) -> list[pb.TokenSequence]:
    prompts, responses = random_ids(count, 1, 20, seed), random_ids(count, 1, 30, seed + 1)
    return [pb.TokenSequence(prompt_ids=p, response_ids=r) for p, r in zip(prompts, responses, strict=True)]


def request(*sequences: pb.TokenSequence, model: str = "sft", **fields) -> pb.LogProbsRequest:
    return pb.LogProbsRequest(model=model, sequences=sequences, **fields)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
async def test_a_batch_gives_what_plain_transformers_gives_one_by_one(shelf, temperature: float) -> None:
    asked, model = sequences(12), causal("llama")
    async with channel_to(register, settings(shelf, batch_tokens=200)) as channel:
        answer = await ReferenceServiceStub(channel).LogProbs(request(*asked, temperature=temperature))
    assert answer.model_version.model == "sft"
    for sequence, result in zip(asked, answer.sequences, strict=True):
        ids = torch.tensor([[*sequence.prompt_ids, *sequence.response_ids]])
        logprobs_TV = (model(ids).logits[0] / temperature).log_softmax(-1)
        start = len(sequence.prompt_ids) - 1
        expected = logprobs_TV[range(start, ids.shape[1] - 1), ids[0, start + 1 :]]
        assert torch.allclose(torch.tensor(list(result.log_probs)), expected, atol=1e-4)


async def test_concurrent_requests_get_their_own_answers(shelf) -> None:
    asked = [sequences(5, seed) for seed in range(8)]
    async with channel_to(register, settings(shelf)) as channel:
        stub = ReferenceServiceStub(channel)
        alone = [await stub.LogProbs(request(*s)) for s in asked]
        together = await asyncio.gather(*(stub.LogProbs(request(*s)) for s in asked))
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one.sequences, other.sequences, strict=True):
            assert list(a.log_probs) == pytest.approx(list(b.log_probs), abs=1e-4)


async def test_deterministic_answers_are_bit_equal_whatever_else_is_asked(shelf) -> None:
    asked = request(*sequences(9), deterministic=True)
    async with channel_to(register, settings(shelf)) as channel:
        stub = ReferenceServiceStub(channel)
        quiet = await stub.LogProbs(asked)
        noise = [stub.LogProbs(request(*sequences(7, seed))) for seed in range(6)]
        busy, *_ = await asyncio.gather(stub.LogProbs(asked), *noise)
    assert quiet == busy


async def test_all_problems_of_a_request_are_named_at_once(shelf) -> None:
    wrong = [
        pb.TokenSequence(prompt_ids=[], response_ids=[1]),
        pb.TokenSequence(prompt_ids=[1], response_ids=[]),
    ]
    too_much = [
        pb.TokenSequence(prompt_ids=[1], response_ids=[5, 300]),
        pb.TokenSequence(prompt_ids=[3] * 200, response_ids=[3] * 57),
    ]
    async with channel_to(register, settings(shelf)) as channel:
        stub = ReferenceServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as empty:
            await stub.LogProbs(request(*wrong, temperature=-1))
        with pytest.raises(grpc.aio.AioRpcError) as large:
            await stub.LogProbs(request(*too_much))
    assert empty.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert set(violations(empty.value)) == {"temperature", "sequences[0].prompt_ids", "sequences[1].response_ids"}
    assert violations(large.value) == {
        "sequences[0].response_ids": "got token id 300, expected ids below 300",
        "sequences[1]": "got 257 tokens, expected at most 256, the context",
    }


async def test_an_unknown_model_is_not_found_and_what_exists_is_named(shelf) -> None:
    async with channel_to(register, settings(shelf)) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="sft") as error:
            await ReferenceServiceStub(channel).LogProbs(request(*sequences(1), model="stf"))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_overload_is_refused_quickly_with_a_hint(shelf) -> None:
    asked = request(*[pb.TokenSequence(prompt_ids=[3] * 100, response_ids=[3] * 100)] * 64)
    async with channel_to(register, settings(shelf, queue_tokens=30_000, batch_tokens=1000)) as channel:
        stub = ReferenceServiceStub(channel)
        await stub.LogProbs(request(*sequences(1)))
        calls, started = [stub.LogProbs(asked) for _ in range(6)], time.monotonic()
        outcomes = await asyncio.gather(*map(outcome, calls))
    answers = [o for o in outcomes if isinstance(o, pb.LogProbsResponse)]
    refusals = [o for o in outcomes if isinstance(o, tuple)]
    assert len(answers) == 2
    assert len(refusals) == 4
    for error, ended in refusals:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert retry_after(error) > 0
        assert ended - started < 1.0


async def outcome(call) -> object:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return error, time.monotonic()


async def test_a_model_that_is_still_loading_asks_the_caller_to_retry(shelf) -> None:
    async with channel_to(register, settings(shelf, load_wait_seconds=0.0)) as channel:
        stub = ReferenceServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError, match="still loading") as error:
            await stub.LogProbs(request(*sequences(1)))
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        await asyncio.sleep(retry_after(error.value))
        assert len((await stub.LogProbs(request(*sequences(1)))).sequences) == 1


async def test_a_passed_deadline_gives_its_place_in_the_queue_back(shelf) -> None:
    registry = CollectorRegistry()
    long = request(*[pb.TokenSequence(prompt_ids=[3] * 100, response_ids=[3] * 100)] * 256)
    async with channel_to(register, settings(shelf, batch_tokens=1000, queue_tokens=60_000), registry) as channel:
        stub = ReferenceServiceStub(channel)
        await stub.LogProbs(request(*sequences(1)))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.LogProbs(long, timeout=0.05)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert len((await stub.LogProbs(request(*sequences(200)))).sequences) == 200
    assert registry.get_sample_value("rlhf_reference_num_requests_running", SFT) == 0


async def test_metrics_count_what_was_answered(shelf) -> None:
    registry = CollectorRegistry()
    async with channel_to(register, settings(shelf), registry) as channel:
        stub = ReferenceServiceStub(channel)
        await stub.LogProbs(request(*sequences(3)))
        await stub.LogProbs(request(*sequences(4)))
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.LogProbs(request())
    assert registry.get_sample_value("rlhf_reference_sequences_total", SFT) == 7
    assert registry.get_sample_value("rlhf_reference_e2e_request_latency_seconds_count", SFT) == 2
    assert registry.get_sample_value("rlhf_reference_num_requests_running", SFT) == 0


async def test_the_lifecycle_service_loads_lists_and_unloads(shelf) -> None:
    async with channel_to(register, settings(shelf)) as channel:
        stub = lifecycle_pb2_grpc.ModelLifecycleServiceStub(channel)
        loaded = (await stub.LoadModel(lifecycle_pb2.LoadModelRequest(model="sft"))).model
        assert loaded.state == lifecycle_pb2.MODEL_STATE_READY
        assert loaded.memory_bytes > 4 * 300 * 32
        listed = await stub.ListLoadedModels(lifecycle_pb2.ListLoadedModelsRequest())
        assert list(listed.models) == [loaded]
        await stub.UnloadModel(lifecycle_pb2.UnloadModelRequest(model="sft"))
        assert not (await stub.ListLoadedModels(lifecycle_pb2.ListLoadedModelsRequest())).models


async def test_a_model_without_safetensors_fails_with_the_reason(shelf, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(causal("llama").config.to_json_string())
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    shelf.models.publish("pickled", tmp_path, attempt=1, step=1)
    async with channel_to(register, settings(shelf)) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match=r"weights as \*\.safetensors"):
            await ReferenceServiceStub(channel).LogProbs(request(*sequences(1), model="pickled"))
        stub = lifecycle_pb2_grpc.ModelLifecycleServiceStub(channel)
        (failed,) = (await stub.ListLoadedModels(lifecycle_pb2.ListLoadedModelsRequest())).models
    assert failed.state == lifecycle_pb2.MODEL_STATE_FAILED
    assert "pytorch_model.bin" in failed.error
