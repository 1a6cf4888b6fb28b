import math

import pytest
import torch
from transformers import (
    BertConfig,
    BertLMHeadModel,
    BloomConfig,
    BloomForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from services.language_model.engine import Engine
from services.language_model.generation import Event, Generation, Request
from services.language_model.log_probs import response_log_probs
from services.language_model.sampling import SamplingParams
from services.runtime.errors import InvalidInput

from .small_models import DECODERS, byte_level, causal, random_ids

PROMPTS = random_ids(9, 1, 20, seed=3)
LENGTHS = [1, 30, 7, 12, 2, 25, 3, 18, 9]


def never_ends():
    """A tokenizer whose end token the models cannot produce, so that only lengths end a response."""
    tokenizer = byte_level()
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    assert tokenizer.eos_token_id is not None
    while tokenizer.eos_token_id < 300:
        tokenizer.add_special_tokens({"eos_token": f"<end{len(tokenizer)}>"})
    return tokenizer


def engine(family: str = "llama", **settings: int) -> Engine:
    return Engine(causal(family), never_ends(), **settings)


def greedy(prompt: list[int], length: int, **more) -> Request:
    return Request(prompt, SamplingParams(max_new_tokens=length, temperature=0, **more))


def sampled(index: int = 0, temperature: float = 1.0, seed: int = 5, **more) -> Request:
    params = SamplingParams(max_new_tokens=LENGTHS[index], temperature=temperature, seed=seed, **more)
    return Request(PROMPTS[index], params, prompt_index=index)


def plain_greedy(model: PreTrainedModel, prompt: list[int], length: int) -> list[int]:
    ids = torch.tensor([prompt])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=length, do_sample=False, eos_token_id=-1
    )
    return out[0, len(prompt) :].tolist()


def drain(engine: Engine) -> list[Event]:
    events: list[Event] = []
    while engine.busy:
        events += engine.step()
    return events


@pytest.mark.parametrize("family", DECODERS)
def test_sequences_that_join_and_leave_equal_plain_greedy_generation(family: str) -> None:
    model = causal(family)
    requests = [greedy(prompt, length) for prompt, length in zip(PROMPTS, LENGTHS)]
    got = Engine(model, never_ends(), max_slots=4).generate(requests)
    want = [plain_greedy(model, prompt, length) for prompt, length in zip(PROMPTS, LENGTHS)]
    assert [generation.response_ids for generation in got] == want
    assert {generation.finish_reason for generation in got} == {"length"}


def test_requests_added_between_steps_equal_plain_greedy_generation() -> None:
    model = causal("llama")
    engine = Engine(model, never_ends(), max_slots=8)
    found: dict[int, Generation] = {}
    handles: list[int] = []
    for prompt, length in zip(PROMPTS, LENGTHS):
        handles.append(engine.add(greedy(prompt, length)))
        for _ in range(2):
            found |= {event.handle: event.generation for event in engine.step() if event.generation}
    found |= {event.handle: event.generation for event in drain(engine) if event.generation}
    got = [found[handle].response_ids for handle in handles]
    assert got == [plain_greedy(model, prompt, length) for prompt, length in zip(PROMPTS, LENGTHS)]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("family", DECODERS)
def test_log_probs_equal_those_of_the_trainer(family: str, temperature: float) -> None:
    model = causal(family)
    got = Engine(model, never_ends(), max_slots=4).generate([sampled(i, temperature, top_k=20) for i in range(9)])
    with torch.no_grad():
        want = response_log_probs(model, PROMPTS, [g.response_ids for g in got], temperature, pad_id=2)
    for b, generation in enumerate(got):
        assert len(generation.log_probs) == len(generation.response_ids) == LENGTHS[b]
        torch.testing.assert_close(
            torch.tensor(generation.log_probs), want.logprobs_BR[b, want.mask_BR[b]], atol=1e-4, rtol=0
        )


def test_samples_do_not_depend_on_their_neighbours() -> None:
    requests = [sampled(i) for i in range(9)]
    together = engine(max_slots=8).generate(requests)
    alone = [engine(max_slots=1).generate([request])[0] for request in requests]
    assert [g.response_ids for g in together] == [g.response_ids for g in alone]


def test_key_of_a_sample_is_seed_prompt_and_sample_index() -> None:
    params = SamplingParams(max_new_tokens=20, seed=1)
    other_seed = SamplingParams(max_new_tokens=20, seed=2)
    prompt = PROMPTS[0]
    base = [Request(prompt, params), Request(prompt, params)]
    others = [Request(prompt, params, 1, 0), Request(prompt, params, 0, 1), Request(prompt, other_seed)]
    first, second, *rest = (tuple(g.response_ids) for g in engine().generate([*base, *others]))
    assert first == second
    assert len({first, *rest}) == 4


def test_samples_of_one_prompt_share_its_prefill() -> None:
    model = causal("llama")
    busy = Engine(model, never_ends(), max_slots=8)
    batch_sizes: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda _, args, __: batch_sizes.append(args[0].shape[0]))
    params = SamplingParams(max_new_tokens=6)
    prompts = [PROMPTS[1]] * 3 + [PROMPTS[2]] * 2
    got = busy.generate([Request(prompt, params, 0, k) for k, prompt in enumerate(prompts)])
    assert batch_sizes == [2, 5, 5, 5, 5, 5]
    want = [engine().generate([Request(prompt, params, 0, k)])[0] for k, prompt in enumerate(prompts)]
    assert [g.response_ids for g in got] == [g.response_ids for g in want]


def test_static_mode_repeats_every_bit_whatever_ran_before() -> None:
    requests = [sampled(i, 0.7) for i in range(9)]
    used = engine(max_slots=4)
    used.generate([greedy(list(range(3, 180)), 20), *requests])
    used.add(sampled(1))
    used.step()
    first, second = used.generate(requests, static=True), engine(max_slots=4).generate(requests, static=True)
    assert first == second
    assert used.num_running == 1


def test_end_token_ends_a_response_and_is_part_of_it() -> None:
    model = causal("llama")
    tokenizer = byte_level()
    free = plain_greedy(model, PROMPTS[1], 30)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(free[5])
    generation = Engine(model, tokenizer).generate([greedy(PROMPTS[1], 30)])[0]
    end = free.index(free[5]) + 1
    assert generation.response_ids == free[:end]
    assert len(generation.log_probs) == end
    assert generation.finish_reason == "stop"


def test_stop_text_ends_a_response_and_is_not_part_of_its_text() -> None:
    free = engine().generate([greedy(PROMPTS[1], 30)])[0]
    stop = next(free.text[i : i + 2] for i in range(3, len(free.text)) if free.text[i : i + 2].isascii())
    stopped = engine().generate([greedy(PROMPTS[1], 30, stop=("never", stop))])[0]
    assert stopped.finish_reason == "stop"
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.response_ids == free.response_ids[: len(stopped.response_ids)]
    assert len(stopped.response_ids) < 30
    assert stop in never_ends().decode(stopped.response_ids)
    assert stop not in never_ends().decode(stopped.response_ids[:-1])
    assert stopped.log_probs == pytest.approx(free.log_probs[: len(stopped.log_probs)], abs=1e-5)


def test_pieces_of_a_stream_make_up_the_text() -> None:
    streaming = engine()
    requests = [Request(PROMPTS[i], SamplingParams(max_new_tokens=25, seed=i), i, stream=True) for i in range(3)]
    handles = [streaming.add(request) for request in requests]
    events = drain(streaming)
    for handle in handles:
        mine = [event for event in events if event.handle == handle]
        final = mine[-1].generation
        assert final is not None
        assert [event.generation for event in mine[:-1]] == [None] * (len(mine) - 1)
        assert "".join(event.piece for event in mine) == final.text
        assert len(mine) > 5


def test_context_ends_a_response_with_length() -> None:
    short = engine(max_context=24)
    ends, fills = short.generate([greedy([3] * 20, 100), greedy([3] * 23, 100)])
    assert (len(ends.response_ids), len(fills.response_ids)) == (4, 1)
    assert ends.finish_reason == fills.finish_reason == "length"
    want = plain_greedy(causal("llama"), [3] * 20, 4)
    assert ends.response_ids == want


def test_model_s_own_context_is_the_default_and_the_limit() -> None:
    assert engine().max_context == 256
    assert len(engine().generate([greedy([3] * 200, 100)])[0].response_ids) == 56
    with pytest.raises(InvalidInput, match="max_context: got 512, expected at most the model's 256"):
        engine(max_context=512)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "prompt: got 0 tokens, expected 1 to 255 tokens"),
        ([3] * 256, "prompt: got 256 tokens, expected 1 to 255 tokens"),
        ([3, 300], r"prompt.token_ids: got ids 3 to 300, .* 0 to 299"),
    ],
)
def test_impossible_prompts_are_refused(prompt: list[int], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        engine().add(greedy(prompt, 1))


def test_aborted_requests_leave_the_others_alone() -> None:
    model = causal("llama")
    engine = Engine(model, never_ends(), max_slots=3)
    handles = [engine.add(greedy(PROMPTS[i], 20)) for i in range(5)]
    engine.step()
    for gone in (handles[0], handles[4], 99):
        engine.abort(gone)
    assert (engine.num_running, engine.num_waiting) == (2, 1)
    done = {event.handle: event.generation for event in drain(engine) if event.generation}
    assert set(done) == {handles[1], handles[2], handles[3]}
    assert all(done[handles[i]].response_ids == plain_greedy(model, PROMPTS[i], 20) for i in (1, 2, 3))


def test_never_more_than_the_slots_run() -> None:
    small = engine(max_slots=3)
    for i in range(9):
        small.add(sampled(i))
    running = []
    while small.busy:
        small.step()
        running.append(small.num_running)
    assert max(running) == 3


def test_model_with_another_kind_of_state_is_refused() -> None:
    mamba = MambaForCausalLM(MambaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, state_size=4)).eval()
    with pytest.raises(InvalidInput, match="model: got mamba"):
        Engine(mamba, byte_level())


@pytest.mark.filterwarnings("ignore")
def test_models_that_the_slots_cannot_serve_are_refused() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    looks_ahead = BertLMHeadModel(BertConfig(**sizes, vocab_size=300, initializer_range=0.2)).eval()
    no_position_ids = BloomForCausalLM(BloomConfig(vocab_size=300, hidden_size=32, n_head=4, n_layer=1)).eval()
    for model in (looks_ahead, no_position_ids):
        with pytest.raises(InvalidInput, match=f"model: got {model.config.model_type}.*, expected standard attention"):
            Engine(model, byte_level())


def test_sliding_window_bounds_the_context() -> None:
    config = MistralConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=16,
    )
    model = MistralForCausalLM(config).eval()
    assert Engine(model, byte_level()).max_context == 16
    with pytest.raises(InvalidInput, match="max_context"):
        Engine(model, byte_level(), max_context=32)
    got = Engine(model, never_ends()).generate([greedy([3, 4, 5], 13)])[0]
    assert got.response_ids == plain_greedy(model, [3, 4, 5], 13)


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_does_not_even_run_is_refused_with_the_reason() -> None:
    """Eight groups of experts for four experts, as the config's defaults have it."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 1}
    experts = {"n_routed_experts": 4, "moe_intermediate_size": 16, "first_k_dense_replace": 0}
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**sizes, **experts, vocab_size=300)).eval()
    with pytest.raises(InvalidInput, match=r"model: got deepseek_v3 \(RuntimeError: "):
        Engine(model, byte_level())


def test_a_window_that_only_the_config_tells_bounds_the_context() -> None:
    """GPT-Neo's local layers forget what is further away, which the slots would go on to show them."""
    sizes = {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}
    config = GPTNeoConfig(
        **sizes, window_size=16, vocab_size=300, initializer_range=0.2, bos_token_id=0, eos_token_id=1
    )
    model = GPTNeoForCausalLM(config).eval()
    assert Engine(model, byte_level()).max_context == 16
    got = Engine(model, never_ends()).generate([greedy([3, 4, 5], 13)])[0]
    assert got.response_ids == plain_greedy(model, [3, 4, 5], 13)


def test_sequences_wait_for_memory_and_a_long_one_gets_it_in_the_end() -> None:
    """Many short ones leave wide slots, which must make way for length."""
    model = causal("llama")
    bytes_of_256 = 256 * 2 * 2 * 2 * 8 * 4  # tokens in 2 layers with 2 heads of 8 numbers
    asked = [*(greedy(PROMPTS[0], 4) for _ in range(6)), greedy(PROMPTS[1], 230), greedy(PROMPTS[2], 9)]
    small = Engine(model, never_ends(), max_cache_bytes=bytes_of_256)
    handles = [small.add(request) for request in asked]
    done: dict[int, Generation] = {}
    while small.busy:
        done |= {event.handle: event.generation for event in small.step() if event.generation}
        rows, length = small._slots.capacity
        assert rows * length <= 256
    expected = Engine(model, never_ends()).generate(asked)
    assert [done[handle].response_ids for handle in handles] == [one.response_ids for one in expected]


def test_model_that_yields_no_numbers_is_not_passed_over() -> None:
    broken = engine()
    with torch.no_grad():
        broken.model.get_output_embeddings().weight.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="not finite"):
        broken.generate([sampled(0)])
