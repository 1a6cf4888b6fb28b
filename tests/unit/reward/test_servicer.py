from statistics import pstdev

import grpc
import pytest
import torch
from prometheus_client import CollectorRegistry
from rlhf.v1 import reward_pb2 as pb
from rlhf.v1.reward_pb2_grpc import RewardServiceStub
from rlhf.v1.types_pb2 import Conversation, Message, Prompt, Response, TokenIds

from services.language_model.tokens import tokenizer_digest
from services.reward.servicer import register
from services.reward.settings import RewardSettings
from tests.unit.language_model.small_models import bert, byte_level, causal, random_ids, reward, word_piece
from tests.unit.serving.live import Shelf, channel_to, violations

TOKENIZER = byte_level(pad_token="<s>")
PAIRS = word_piece()  # once: training it again may number words with equal counts otherwise
DIGEST = tokenizer_digest(TOKENIZER)
OFFSETS = {"rm": 0.5, "rm-2": -0.25}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    shelf = Shelf(tmp_path_factory.mktemp("reward"))
    for seed, (name, offset) in enumerate(OFFSETS.items()):
        model = reward("llama", seed)
        model.config.reward_offset = offset
        shelf.publish(name, model, TOKENIZER)
    shelf.publish("encoder", bert(), PAIRS)
    broken = reward("llama")
    with torch.no_grad():
        broken.get_input_embeddings().weight[7] = float("nan")
    shelf.publish("broken", broken, TOKENIZER)
    return shelf


def settings(shelf: Shelf, **options) -> RewardSettings:
    return RewardSettings(**{**shelf.options, **options})


def of_ids(prompt: list[int], response: list[int]) -> pb.ScoreItem:
    return pb.ScoreItem(
        prompt=Prompt(token_ids=TokenIds(ids=prompt)), response=Response(token_ids=TokenIds(ids=response))
    )


def of_text(prompt: str, response: str) -> pb.ScoreItem:
    return pb.ScoreItem(prompt=Prompt(text=prompt), response=Response(text=response))


async def score(shelf: Shelf, *items: pb.ScoreItem, models=("rm",), digest: str = DIGEST, **options):
    async with channel_to(register, settings(shelf, **options)) as channel:
        request = pb.ScoreRequest(models=models, items=items, tokenizer_digest=digest)
        return list((await RewardServiceStub(channel).Score(request)).scores)


def plain(model, ids: list[int]) -> float:
    with torch.no_grad():
        return float(model(torch.tensor([ids])).logits[0, 0])


async def test_a_batch_of_ids_gives_the_logits_of_plain_transformers_one_by_one(shelf) -> None:
    prompts, responses = random_ids(12, 3, 20), random_ids(12, 1, 30, seed=1)
    items = [of_ids(p, r) for p, r in zip(prompts, responses, strict=True)]
    scores = await score(shelf, *items, batch_tokens=200)
    model = reward("llama")
    model.config.pad_token_id = None  # plain transformers would look for the last token that is no pad
    expected = [plain(model, p + r) for p, r in zip(prompts, responses, strict=True)]
    assert [s.raw for s in scores] == pytest.approx(expected, abs=1e-4)
    assert [s.normalized for s in scores] == pytest.approx([raw - 0.5 for raw in expected], abs=1e-4)
    assert {s.status for s in scores} == {pb.SCORE_STATUS_OK}
    assert scores[0].model_versions[0].model == "rm"


async def test_a_sequence_scores_like_the_prompt_and_response_that_its_template_was_given(shelf) -> None:
    whole = pb.ScoreItem(sequence="Human: The cat?\n\nAssistant:\nIt sat." + str(TOKENIZER.eos_token))
    by_sequence, by_parts = await score(shelf, whole, of_text("The cat?", "It sat."), digest="")
    assert by_sequence.raw == pytest.approx(by_parts.raw, abs=1e-5)


async def test_a_sequence_is_scored_whole_and_alone(shelf) -> None:
    (long,) = await score(shelf, pb.ScoreItem(sequence="long " * 400), digest="")
    assert long.status == pb.SCORE_STATUS_ERROR
    assert "more than the context" in long.error
    both = of_text("The cat?", "It sat.")
    both.sequence = "It sat."
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await score(shelf, both)
    assert list(violations(caught.value)) == ["items[0].prompt"]


async def test_ids_texts_and_messages_of_one_prompt_score_alike(shelf) -> None:
    messages = Conversation(messages=[Message(role="user", content="The cat?")])
    prompt_ids = TOKENIZER("Human: The cat?\n\nAssistant:\n").input_ids
    response_ids = [*TOKENIZER("It sat.").input_ids, TOKENIZER.eos_token_id]
    text = Response(text="It sat.")
    scores = await score(
        shelf,
        of_text("The cat?", "It sat."),
        pb.ScoreItem(prompt=Prompt(conversation=messages), response=text),
        of_ids(prompt_ids, response_ids),
        pb.ScoreItem(prompt=Prompt(token_ids=TokenIds(ids=prompt_ids)), response=text),
    )
    assert [s.raw for s in scores] == pytest.approx([scores[0].raw] * 4, abs=1e-5)


async def test_a_response_that_ended_at_once_is_scored(shelf) -> None:
    """As text it is empty, as ids it is the end-of-sequence token alone."""
    ids = TOKENIZER("Human: The cat?\n\nAssistant:\n").input_ids
    scores = await score(shelf, of_text("The cat?", ""), of_ids(ids, [TOKENIZER.eos_token_id]))
    assert [s.raw for s in scores] == pytest.approx(
        [plain(reward("llama"), [*ids, TOKENIZER.eos_token_id])] * 2, abs=1e-4
    )
    (of_encoder,) = await score(shelf, of_text("The cat", ""), models=["encoder"])
    alone = [*PAIRS("The cat").input_ids, PAIRS.sep_token_id]  # [CLS] prompt [SEP] nothing [SEP]
    assert of_encoder.raw == pytest.approx(plain(bert(), alone), abs=1e-4)


async def test_ids_of_another_tokenizer_are_refused(shelf) -> None:
    for digest in ("", "0" * 64):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await score(shelf, of_ids([5], [6]), digest=digest)
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert DIGEST in violations(error.value)["tokenizer_digest"]


async def test_an_ensemble_gives_its_members_scores_and_their_spread(shelf) -> None:
    item = of_ids([5, 6, 7, 8], [9, 10])
    (both,) = await score(shelf, item, models=["rm", "rm-2"])
    singles = [(await score(shelf, item, models=[name]))[0] for name in OFFSETS]
    members = [single.normalized for single in singles]
    assert list(both.member_scores) == pytest.approx(members, abs=1e-5)
    assert both.normalized == pytest.approx(sum(members) / 2, abs=1e-5)
    assert both.raw == pytest.approx(sum(single.raw for single in singles) / 2, abs=1e-5)
    assert both.spread == pytest.approx(pstdev(members), abs=1e-5)
    assert both.spread > 0
    assert [v.model for v in both.model_versions] == ["rm", "rm-2"]
    assert singles[0].spread == 0


async def test_an_encoder_scores_texts_as_a_pair_and_refuses_ids(shelf) -> None:
    (result,) = await score(shelf, of_text("The cat sat", "on the mat."), models=["encoder"])
    assert result.raw == pytest.approx(plain(bert(), PAIRS("The cat sat", "on the mat.").input_ids), abs=1e-4)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await score(shelf, of_ids([5], [6]), models=["encoder"], digest=tokenizer_digest(PAIRS))
    assert "encoder" in violations(error.value)["items[0].response"]


async def test_an_encoder_says_of_a_long_text_what_a_decoder_says(shelf) -> None:
    long_prompt, long_response = of_text("The cat " * 300, "on the mat."), of_text("The cat sat", "mat " * 600)
    cut, refused = await score(shelf, long_prompt, long_response, models=["encoder"])
    ids = PAIRS("The cat " * 300, "on the mat.").input_ids
    assert cut.truncated
    assert cut.raw == pytest.approx(plain(bert(), ids[:1] + ids[-511:]), abs=1e-4)
    assert "longer than the context of 512 tokens" in refused.error


async def test_a_score_that_is_no_number_is_an_error_of_its_item_alone(shelf) -> None:
    good, bad = of_ids([5, 6], [8]), of_ids([5, 7], [8])
    scores = await score(shelf, good, bad, models=["broken"])
    assert [s.status for s in scores] == [pb.SCORE_STATUS_OK, pb.SCORE_STATUS_ERROR]
    assert "nan" in scores[1].error
    assert "broken@" in scores[1].error
    (ensemble,) = await score(shelf, bad, models=["rm", "broken"])
    assert ensemble.status == pb.SCORE_STATUS_ERROR, "an ensemble without a member is another ensemble"


async def test_long_prompts_lose_their_start_and_long_responses_are_errors(shelf) -> None:
    prompt, response = random_ids(1, 300, 300)[0], random_ids(1, 20, 20, seed=1)[0]
    cut, whole, hopeless = await score(
        shelf, of_ids(prompt, response), of_ids(prompt[-236:], response), of_ids([5], prompt)
    )
    assert cut.truncated
    assert not whole.truncated
    assert cut.raw == pytest.approx(whole.raw, abs=1e-5)
    assert hopeless.status == pb.SCORE_STATUS_ERROR
    assert "context of 256" in hopeless.error


async def test_rank_puts_the_best_first_and_errors_last(shelf) -> None:
    responses = [[8, 9], [7], [10, 11], [12]]
    async with channel_to(register, settings(shelf)) as channel:
        request = pb.RankRequest(
            models=["broken"],
            prompt=Prompt(token_ids=TokenIds(ids=[5, 6])),
            responses=[Response(token_ids=TokenIds(ids=ids)) for ids in responses],
            tokenizer_digest=DIGEST,
        )
        ranked = (await RewardServiceStub(channel).Rank(request)).ranked
    assert sorted(r.index for r in ranked) == [0, 1, 2, 3]
    assert ranked[-1].index == 1
    assert ranked[-1].score.status == pb.SCORE_STATUS_ERROR
    values = [r.score.normalized for r in ranked[:3]]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 3


async def test_all_problems_of_a_request_are_named_at_once(shelf) -> None:
    items = [pb.ScoreItem(response=Response(text="a")), pb.ScoreItem(prompt=Prompt(text="a")), of_ids([5], [])]
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await score(shelf, *items, models=[])
    assert set(violations(error.value)) == {"models", "items[0].prompt", "items[1].response", "items[2].response"}
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await score(shelf, of_ids([300], [6]), of_ids([5], [6, 301]))
    assert set(violations(error.value)) == {"items[0].prompt", "items[1].response"}


async def test_a_policy_is_no_reward_model(shelf) -> None:
    shelf.publish("policy", causal("llama"), TOKENIZER)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await score(shelf, of_text("a", "b"), models=["policy"])
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "reward model" in violations(error.value)["model"]


async def test_metrics_count_the_items_of_each_model(shelf) -> None:
    registry = CollectorRegistry()
    async with channel_to(register, settings(shelf), registry) as channel:
        request = pb.ScoreRequest(models=["rm", "rm-2"], items=[of_text("a", "b")] * 3)
        await RewardServiceStub(channel).Score(request)
    for name in OFFSETS:
        assert registry.get_sample_value("rlhf_reward_items_total", {"model_name": name}) == 3
