import asyncio
import json
import time
from typing import Any

import grpc
import pytest
import torch
from prometheus_client import CollectorRegistry
from rlhf.v1 import policy_pb2 as pb
from rlhf.v1.policy_pb2_grpc import PolicyServiceStub
from rlhf.v1.types_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    Conversation,
    Message,
    Prompt,
    Rollout,
    Sampling,
    TokenIds,
)

from services.language_model.log_probs import response_log_probs
from services.policy.servicer import register
from services.policy.settings import PolicySettings
from tests.log_lines import collected
from tests.unit.language_model.small_models import byte_level, causal, random_ids
from tests.unit.serving.live import Shelf, channel_to, retry_after, violations

TOKENIZER = byte_level(pad_token="<s>")
CONTEXT = 256


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    shelf = Shelf(tmp_path_factory.mktemp("policy"))
    shelf.publish("sft", causal("llama"), TOKENIZER)
    return shelf


def settings(shelf: Shelf, **options) -> PolicySettings:
    return PolicySettings(**{**shelf.options, **options})


def ask(*prompts: list[int], model: str = "sft", sampling: dict[str, Any] | None = None, **fields: Any):
    return pb.GenerateRequest(
        model=model,
        prompts=[Prompt(token_ids=TokenIds(ids=ids)) for ids in prompts],
        sampling=Sampling(**{"max_new_tokens": 16, **(sampling or {})}),
        **fields,
    )


def tokens(rollouts) -> list[list[int]]:
    return [list(rollout.response_ids) for rollout in rollouts]


PROMPTS = random_ids(6, 2, 30)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
async def test_log_probs_are_those_of_the_published_weights(shelf, temperature: float) -> None:
    async with channel_to(register, settings(shelf)) as channel:
        request = ask(*PROMPTS, samples_per_prompt=3, sampling={"temperature": temperature, "seed": 7})
        rollouts: list[Rollout] = list((await PolicyServiceStub(channel).Generate(request)).rollouts)
    assert [(r.prompt_index, r.sample_index) for r in rollouts] == [(p, s) for p in range(6) for s in range(3)]
    assert [list(r.prompt_ids) for r in rollouts[::3]] == PROMPTS
    responses = tokens(rollouts)
    logprobs_BR = response_log_probs(causal("llama"), [list(r.prompt_ids) for r in rollouts], responses, temperature, 0)
    for rollout, row in zip(rollouts, logprobs_BR.logprobs_BR, strict=True):
        expected = row[: len(rollout.response_ids)]
        assert torch.allclose(torch.tensor(list(rollout.log_probs)), expected, atol=1e-4)
        assert rollout.model_version.digest == shelf.models.resolve("sft").digest
        ended = rollout.response_ids[-1] == TOKENIZER.eos_token_id
        assert rollout.finish_reason == (FINISH_REASON_STOP if ended else FINISH_REASON_LENGTH)
        assert rollout.text == TOKENIZER.decode(rollout.response_ids, skip_special_tokens=True)
    assert len({tuple(ids) for ids in responses[:3]}) > 1, "samples of one prompt differ"


async def test_samples_depend_on_their_seed_and_not_on_what_else_is_asked(shelf) -> None:
    request = ask(*PROMPTS, samples_per_prompt=2, sampling={"seed": 3})
    async with channel_to(register, settings(shelf)) as channel:
        stub = PolicyServiceStub(channel)
        quiet = (await stub.Generate(request)).rollouts
        noise = [stub.Generate(ask(*PROMPTS[:3], sampling={"seed": seed})) for seed in range(10, 14)]
        busy = (await asyncio.gather(stub.Generate(request), *noise))[0].rollouts
        other = (await stub.Generate(ask(*PROMPTS, samples_per_prompt=2, sampling={"seed": 4}))).rollouts
    assert tokens(quiet) == tokens(busy)
    assert tokens(quiet) != tokens(other)


async def test_deterministic_rollouts_are_bit_equal_whatever_else_is_asked(shelf) -> None:
    request = ask(*PROMPTS, samples_per_prompt=2, sampling={"seed": 3}, deterministic=True)
    async with channel_to(register, settings(shelf, max_slots=5)) as channel:
        stub = PolicyServiceStub(channel)
        quiet = await stub.Generate(request)
        noise = [stub.Generate(ask(*PROMPTS[:3], sampling={"seed": seed})) for seed in range(10, 14)]
        busy, *_ = await asyncio.gather(stub.Generate(request), *noise)
    assert quiet == busy


@pytest.mark.parametrize("stop", [(), ("e",)])
async def test_a_stream_spells_the_text_of_the_unary_answer(shelf, stop: tuple[str, ...]) -> None:
    conversation = Prompt(conversation=Conversation(messages=[Message(role="user", content="The cat?")]))
    sampling = Sampling(max_new_tokens=40, seed=5, stop=stop)
    async with channel_to(register, settings(shelf)) as channel:
        stub = PolicyServiceStub(channel)
        unary = pb.GenerateRequest(model="sft", prompts=[conversation], sampling=sampling)
        (whole,) = (await stub.Generate(unary)).rollouts
        stream = stub.GenerateStream(pb.GenerateStreamRequest(model="sft", prompt=conversation, sampling=sampling))
        pieces = [piece async for piece in stream]
    assert pieces[-1].rollout == whole
    assert not any(piece.HasField("rollout") for piece in pieces[:-1])
    assert "".join(piece.text for piece in pieces) == whole.text
    assert whole.text
    assert len(pieces) > 3 or stop
    assert not any(text in whole.text for text in stop)


async def test_a_text_is_one_user_message(shelf) -> None:
    conversation = Conversation(messages=[Message(role="user", content="The cat?")])
    prompts = [Prompt(text="The cat?"), Prompt(conversation=conversation)]
    async with channel_to(register, settings(shelf)) as channel:
        request = pb.GenerateRequest(model="sft", prompts=prompts, sampling=Sampling(max_new_tokens=1))
        text, messages = (await PolicyServiceStub(channel).Generate(request)).rollouts
    assert list(text.prompt_ids) == list(messages.prompt_ids)
    assert TOKENIZER.decode(text.prompt_ids) == "Human: The cat?\n\nAssistant:\n"


async def test_each_acceptable_version_answers_with_its_own_weights(shelf) -> None:
    versions = [shelf.publish("run-1-ppo", causal("llama", seed=step), TOKENIZER, step) for step in (1, 2)]
    request = {"sampling": {"temperature": 0.0}, "model": "run-1-ppo"}
    async with channel_to(register, settings(shelf)) as channel:
        stub = PolicyServiceStub(channel)
        asked = [ask(*PROMPTS, acceptable_versions=[v.version], **request) for v in (*versions, *versions)]
        answers = await asyncio.gather(*map(stub.Generate, asked), stub.Generate(ask(*PROMPTS)))
        in_memory = await stub.Generate(ask(*PROMPTS, acceptable_versions=[v.version for v in versions], **request))
    for version, answer in zip((*versions, *versions), answers, strict=False):
        assert {r.model_version.digest for r in answer.rollouts} == {version.digest}
    assert tokens(answers[0].rollouts) == tokens(answers[2].rollouts)
    assert tokens(answers[1].rollouts) == tokens(answers[3].rollouts)
    assert tokens(answers[0].rollouts) != tokens(answers[1].rollouts)
    for answer, step in zip(answers[:2], (1, 2), strict=True):
        logprobs_BR = response_log_probs(causal("llama", seed=step), PROMPTS, tokens(answer.rollouts), 1.0, 0)
        for rollout, row in zip(answer.rollouts, logprobs_BR.logprobs_BR, strict=True):
            assert list(rollout.log_probs) == pytest.approx(row[: len(rollout.log_probs)].tolist(), abs=1e-4)
    assert in_memory.rollouts[0].model_version.version in {v.version for v in versions}


async def test_a_version_with_another_tokenizer_is_not_swapped_in_place(shelf) -> None:
    other = byte_level(pad_token="<s>")
    other.chat_template = "{{ messages[0].content }}"
    versions = [shelf.publish("run-2", causal("llama"), tokenizer, i) for i, tokenizer in enumerate((TOKENIZER, other))]
    texts = []
    async with channel_to(register, settings(shelf)) as channel:
        for version in versions:
            request = pb.GenerateRequest(
                model="run-2",
                acceptable_versions=[version.version],
                prompts=[Prompt(text="The cat?")],
                sampling=Sampling(max_new_tokens=1),
            )
            (rollout,) = (await PolicyServiceStub(channel).Generate(request)).rollouts
            texts.append(TOKENIZER.decode(rollout.prompt_ids))
    assert texts == ["Human: The cat?\n\nAssistant:\n", "The cat?"]


async def test_a_setting_of_a_newer_client_is_refused_and_not_passed_over(shelf) -> None:
    request = ask([5])
    request.sampling.MergeFromString(b"\xb8\x3e\x07")  # field 999
    async with channel_to(register, settings(shelf)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await PolicyServiceStub(channel).Generate(request)
    assert "field number 999" in violations(error.value)["sampling"]


async def test_an_alias_answers_beside_a_training_model(shelf) -> None:
    first = shelf.publish("chat", causal("llama", seed=8), TOKENIZER, 1)
    second = shelf.publish("chat", causal("llama", seed=9), TOKENIZER, 2)
    shelf.models.promote(str(first), "policy/default")
    async with channel_to(register, settings(shelf)) as channel:
        stub = PolicyServiceStub(channel)
        training = await stub.Generate(ask(PROMPTS[0], model="chat", acceptable_versions=[second.version]))
        serving = await stub.Generate(ask(PROMPTS[0], model="policy/default"))
    assert training.rollouts[0].model_version.version == second.version
    assert serving.rollouts[0].model_version.version == first.version


async def test_all_problems_of_a_request_are_named_at_once(shelf) -> None:
    async with channel_to(register, settings(shelf, max_samples=8)) as channel:
        stub = PolicyServiceStub(channel)
        wrong = {"top_p": 1.5, "temperature": -1.0, "max_new_tokens": 0}
        with pytest.raises(grpc.aio.AioRpcError) as limits:
            await stub.Generate(ask(samples_per_prompt=9, sampling=wrong))
        with pytest.raises(grpc.aio.AioRpcError) as prompts:
            await stub.Generate(ask([5], [], [5] * CONTEXT, [300], sampling={"top_k": 5}))
    assert limits.value.code() is prompts.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    sampling = {"sampling.top_p", "sampling.temperature", "sampling.max_new_tokens"}
    assert set(violations(limits.value)) == {"prompts", "samples_per_prompt", *sampling}
    assert violations(prompts.value) == {
        "prompts[1]": "got empty, expected token ids, a text or at least one message",
        "prompts[2]": f"got {CONTEXT} tokens, expected fewer than {CONTEXT}: the context, with kv_cache_mib",
        "prompts[3]": "got token id 300, expected ids below 300",
    }


@pytest.mark.parametrize("fields", [{"model": "nobody"}, {"acceptable_versions": ["1.9-00000000"]}])
async def test_an_unknown_model_or_version_is_not_found(shelf, fields: dict[str, Any]) -> None:
    async with channel_to(register, settings(shelf)) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="sft") as error:
            await PolicyServiceStub(channel).Generate(ask(PROMPTS[0], **fields))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


LONG = {"max_new_tokens": 250}


SFT = {"model_name": "sft"}


def running(registry: CollectorRegistry) -> float:
    return registry.get_sample_value("rlhf_policy_num_requests_running", SFT) or 0.0


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (metrics have no event)
            await asyncio.sleep(0.01)


async def test_overload_is_refused_quickly_with_a_hint(shelf) -> None:
    async with channel_to(register, settings(shelf, queue_tokens=2000)) as channel:
        stub = PolicyServiceStub(channel)
        await stub.Generate(ask([5]))
        admitted = [stub.Generate(ask([5], samples_per_prompt=7, sampling=LONG))]
        await asyncio.sleep(0.1)
        started = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Generate(ask([5], samples_per_prompt=2, sampling=LONG))
        assert time.monotonic() - started < 1.0
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < retry_after(error.value) <= 30
        assert len((await admitted[0]).rollouts) == 7
        assert len((await stub.Generate(ask([5], samples_per_prompt=2, sampling=LONG))).rollouts) == 2


@pytest.mark.parametrize("deterministic", [False, True])
async def test_a_passed_deadline_frees_the_slots(shelf, deterministic: bool) -> None:
    registry = CollectorRegistry()
    request = ask([5], samples_per_prompt=64, sampling=LONG, deterministic=deterministic)
    async with channel_to(register, settings(shelf, max_slots=1), registry) as channel:  # ten seconds of work
        stub = PolicyServiceStub(channel)
        await stub.Generate(ask([5]))
        call = stub.Generate(request, timeout=0.5)
        await until(lambda: running(registry) > 0)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: running(registry) == 0, seconds=2.0)
        assert len((await stub.Generate(ask([5]))).rollouts) == 1


async def test_a_stream_that_nobody_reads_any_more_frees_its_slot(shelf) -> None:
    registry = CollectorRegistry()
    request = pb.GenerateStreamRequest(model="sft", prompt=Prompt(text="The"), sampling=Sampling(**LONG))
    async with channel_to(register, settings(shelf), registry) as channel:
        call = PolicyServiceStub(channel).GenerateStream(request)
        assert (await call.read()).text
        call.cancel()
        await until(lambda: running(registry) == 0, seconds=1.0)
    assert registry.get_sample_value("rlhf_policy_samples_total", SFT) == 0


async def test_metrics_count_what_was_answered(shelf) -> None:
    registry = CollectorRegistry()
    async with channel_to(register, settings(shelf), registry) as channel:
        answer = await PolicyServiceStub(channel).Generate(ask(*PROMPTS, samples_per_prompt=2))
    value = registry.get_sample_value
    assert value("rlhf_policy_samples_total", SFT) == 12
    assert value("rlhf_policy_generation_tokens_total", SFT) == sum(map(len, tokens(answer.rollouts)))
    assert value("rlhf_policy_prompt_tokens_total", SFT) == 2 * sum(map(len, PROMPTS))
    assert value("rlhf_policy_num_requests_waiting", SFT) == value("rlhf_policy_queue_age_seconds", SFT) == 0
    assert (value("rlhf_policy_time_per_output_token_seconds_count", SFT) or 0) >= 8
    assert value("rlhf_policy_weights_load_seconds_count", SFT) == 1
    assert 0 < value("rlhf_policy_weights_memory_bytes") < value("rlhf_policy_weights_memory_budget_bytes")


@pytest.mark.parametrize("wanted", [False, True])
async def test_texts_are_logged_only_where_a_setting_says_so(shelf, wanted: bool) -> None:
    with collected() as lines:
        async with channel_to(register, settings(shelf, log_texts=wanted)) as channel:
            request = pb.GenerateRequest(
                model="sft", prompts=[Prompt(text="the secret question")], sampling=Sampling(max_new_tokens=8)
            )
            (rollout,) = (await PolicyServiceStub(channel).Generate(request)).rollouts
    (entry,) = lines.calls
    assert entry["model_version"] == f"sft@{rollout.model_version.version}"
    assert entry.get("responses") == ([rollout.text] if wanted else None)
    assert "the secret question" not in json.dumps(lines.entries)
