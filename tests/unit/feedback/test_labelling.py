"""A rater takes items, answers, skips, takes back; over gRPC, and across restarts."""

import asyncio
from collections import Counter
from pathlib import Path

import grpc
import pytest
from rlhf.v1 import feedback_pb2 as pb

from tests.unit.feedback.desk import desk, pair, pairs, prefer
from tests.unit.serving.live import violations

ALONE = {"overlap_share": 0.0, "repeat_share": 0.0, "gold_share": 0.0}


async def test_a_rater_judges_everything_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(12), **ALONE)
        assert await service.work("anna", prefer("good")) == 12
        last = await service.next("anna")
        other = await service.next("ben")
    assert last.nothing_left == other.nothing_left == pb.NOTHING_LEFT_DONE
    assert (last.progress.judgements, last.campaign_progress.items_done) == (12, 12)
    assert last.campaign_progress.judgements == last.campaign_progress.judgements_wanted == 12


async def test_an_item_stays_the_same_until_it_is_judged_also_after_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(8), **ALONE)
        first = (await service.next("anna")).assignment
        assert (await service.next("anna")).assignment == first
        assert (await service.next("ben")).assignment.id != first.id
    async with desk(tmp_path) as service:
        await service.submit("anna", first.id)
        assert (await service.next("anna")).assignment.id != first.id


async def test_sides_are_random_and_stored_with_the_judgement(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(200), **ALONE)
        await service.work("anna", lambda _: pb.Preference(choice=pb.CHOICE_FIRST))
        found = await service.judgements()
    orders = Counter(tuple(judgement.order) for judgement in found)
    assert set(orders) == {(0, 1), (1, 0)}
    assert 70 < orders[0, 1] < 130, "a fair coin is out of this once in 30 000 times"


async def test_overlapping_items_go_to_several_raters_and_the_others_to_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(20), overlap=3, overlap_share=0.25, repeat_share=0.0)
        for rater in ("anna", "ben", "cleo", "dora"):
            await service.work(rater, prefer("good"))
        found = Counter(judgement.item for judgement in await service.judgements())
    assert sorted(found.values()) == [1] * 15 + [3] * 5


async def test_nobody_is_given_an_item_whose_places_are_taken(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(2), **ALONE)
        given = [await service.next(rater) for rater in ("anna", "ben", "cleo")]
        assert [found.HasField("assignment") for found in given] == [True, True, False]
        assert given[2].nothing_left == pb.NOTHING_LEFT_WAITING
        await service.submit("anna", given[0].assignment.id, skip=pb.Skip(reason="I do not understand it"))
        assert (await service.next("cleo")).HasField("assignment"), "a skipped item is asked of somebody else"


async def test_an_expired_lease_gives_the_place_away_and_a_late_answer_still_counts(tmp_path: Path) -> None:
    async with desk(tmp_path, lease_minutes=0.0001) as service:
        await service.create(items=pairs(1), **ALONE)
        slow = (await service.next("anna")).assignment
        await asyncio.sleep(0.05)
        quick = (await service.next("ben")).assignment
        await service.submit("ben", quick.id)
        await service.submit("anna", slow.id)
        assert len(await service.judgements()) == 2


async def test_three_skips_retire_an_item(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(1), **ALONE)
        for rater in ("anna", "ben", "cleo"):
            assignment = (await service.next(rater)).assignment
            await service.submit(rater, assignment.id, skip=pb.Skip(reason="nonsense"))
        found = await service.next("dora")
    assert found.nothing_left == pb.NOTHING_LEFT_DONE
    assert (found.campaign_progress.items_done, found.campaign_progress.judgements) == (1, 0)


async def test_the_same_request_is_one_judgement_also_after_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(4), **ALONE)
        assignment = (await service.next("anna")).assignment.id
        answers = await asyncio.gather(*(service.submit("anna", assignment, request_id="once") for _ in range(5)))
    async with desk(tmp_path) as service:
        answers.append(await service.submit("anna", assignment, request_id="once"))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.submit("anna", assignment, pb.CHOICE_SECOND, request_id="once")
        assert len(await service.judgements()) == 1
    assert len({answer.judgement for answer in answers}) == 1
    assert raised.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_judging_an_item_twice_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(4), **ALONE)
        assignment = (await service.next("anna")).assignment.id
        tabs = await asyncio.gather(*(service.submit("anna", assignment) for _ in range(4)), return_exceptions=True)
        refused = [tab for tab in tabs if isinstance(tab, grpc.aio.AioRpcError)]
        assert len(await service.judgements()) == 1
    assert [error.code() for error in refused] == [grpc.StatusCode.ALREADY_EXISTS] * 3


async def test_undo_takes_back_the_latest_and_shows_it_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(6), **ALONE)
        await service.work("anna", prefer("good"), most=3)
        undone = await service.undo("anna", request_id="sorry")
        again = await service.undo("anna", request_id="sorry")
    async with desk(tmp_path) as service:
        found = await service.next("anna")
        await service.submit("anna", found.assignment.id, pb.CHOICE_TIE)
        judgements = await service.judgements()
    assert undone == again
    assert undone.assignment == found.assignment
    assert (undone.progress.judgements, undone.campaign_progress.judgements) == (2, 2)
    assert [judgement.undone for judgement in judgements] == [False, False, True, False]
    assert judgements[2].item == judgements[3].item
    assert judgements[3].preference.choice == pb.CHOICE_TIE


async def test_undo_goes_back_step_by_step_and_no_further_than_the_first(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(6), **ALONE)
        await service.work("anna", prefer("good"), most=2)
        second, first = [await service.undo("anna") for _ in range(2)]
        with pytest.raises(grpc.aio.AioRpcError, match="nothing is left to undo") as raised:
            await service.undo("anna")
        assert (await service.next("anna")).assignment == first.assignment
        await service.submit("anna", first.assignment.id)
        assert (await service.next("anna")).assignment == second.assignment
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_undo_of_what_is_no_longer_the_latest_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(6), **ALONE)
        first = await service.submit("anna", (await service.next("anna")).assignment.id)
        second = await service.submit("anna", (await service.next("anna")).assignment.id)
        with pytest.raises(grpc.aio.AioRpcError, match=second.judgement):
            await service.undo("anna", judgement=first.judgement)
        assert (await service.undo("anna", judgement=second.judgement)).judgement == second.judgement


async def test_gold_items_and_swapped_repeats_come_as_often_as_asked(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        gold = [pair(1000 + n, gold=1 - n % 2 * 1) for n in range(60)]
        await service.create(items=[*pairs(200), *gold], overlap_share=0.0, gold_share=0.15, repeat_share=0.1)
        await service.work("anna", prefer("good"))
        found = await service.judgements()
    shown_gold, repeats = sum(j.gold for j in found), [j for j in found if j.repeat]
    assert len(found) - shown_gold - len(repeats) == 200
    assert 0.08 < shown_gold / len(found) < 0.23
    assert 0.04 < len(repeats) / len(found) < 0.17
    first_time = {judgement.item: list(judgement.order) for judgement in found if not judgement.repeat}
    assert all(list(repeat.order) == first_time[repeat.item][::-1] for repeat in repeats)


async def test_an_assignment_tells_neither_gold_nor_repeat_nor_source(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(1, sources=["model-a@1", "model-b@1"]), **ALONE)
        shown = str((await service.next("anna")).assignment)
    assert "model-" not in shown
    assert {field.name for field in pb.Assignment.DESCRIPTOR.fields} == {
        "id", "campaign", "kind", "prompt", "responses", "domain", "strength", "guidelines_version",
    }  # fmt: skip


async def test_another_raters_assignment_is_refused_and_so_is_a_forged_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(4), **ALONE)
        await service.create("other", items=pairs(4), **ALONE)
        annas = (await service.next("anna")).assignment.id
        elsewhere = (await service.next("ben", "other")).assignment.id
        changed = annas[:-1] + ("A" if annas[-1] != "A" else "B")
        for rater, forged in (("ben", annas), ("ben", elsewhere), ("anna", changed), ("anna", "A" * len(annas))):
            with pytest.raises(grpc.aio.AioRpcError, match=f"was not given to {rater}") as raised:
                await service.submit(rater, forged)
            assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert await service.judgements() == []


@pytest.mark.parametrize("assignment", ["", "../../x", "i0", "A" * 27, "A" * 29, "=" * 28, "ä" * 28, "a" * 100_000])
async def test_what_is_no_assignment_is_refused(tmp_path: Path, assignment: str) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(1), **ALONE)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.submit("anna", assignment)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert list(violations(raised.value)) == ["assignment"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"preference": pb.Preference()}, "preference.choice"),
        ({"preference": pb.Preference(choice=99)}, "preference.choice"),
        ({"preference": pb.Preference(choice=1, strength=1)}, "preference.strength"),
        ({"demonstration": pb.Demonstration(text="mine")}, "answer"),
        ({"ranking": pb.Ranking()}, "answer"),
        ({"skip": pb.Skip(reason=" ")}, "skip.reason"),
        ({"skip": pb.Skip(reason="x" * 501)}, "skip.reason"),
        ({"note": "x" * 4001}, "note"),
        ({"milliseconds": 2**32 - 1}, "milliseconds"),
        ({"guidelines_version": 2}, "guidelines_version"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": "x" * 201}, "request_id"),
        ({"request_id": "a\nb"}, "request_id"),
    ],
)
async def test_bad_answers_name_the_field_and_leave_nothing_behind(tmp_path: Path, fields: dict, field: str) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(1), **ALONE)
        assignment = (await service.next("anna")).assignment.id
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.submit("anna", assignment, **fields)
        assert await service.judgements() == []
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert list(violations(raised.value)) == [field]


@pytest.mark.parametrize("rater", ["../anna", "a/b", ".hidden", "a b", "x" * 101, "a\0b"])
async def test_names_that_are_paths_are_refused(tmp_path: Path, rater: str) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(1), **ALONE)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.next(rater)
        with pytest.raises(grpc.aio.AioRpcError) as set_raised:
            await service.stub.SetRater(pb.SetRaterRequest(rater=pb.Rater(name=rater)))
    assert raised.value.code() is set_raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_rater_needs_the_skills_that_a_campaign_asks_for(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(1), skills=["medicine", "german"], **ALONE)
        await service.stub.SetRater(pb.SetRaterRequest(rater=pb.Rater(name="anna", skills=["german"])))
        with pytest.raises(grpc.aio.AioRpcError, match="anna lacks the skill medicine") as raised:
            await service.next("anna")
        await service.stub.SetRater(pb.SetRaterRequest(rater=pb.Rater(name="anna", skills=["german", "medicine"])))
    async with desk(tmp_path) as service:
        assert (await service.next("anna")).HasField("assignment")
        raters = (await service.stub.ListRaters(pb.ListRatersRequest())).raters
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert [(rater.name, list(rater.skills)) for rater in raters] == [("anna", ["german", "medicine"])]


async def test_a_ranking_names_every_position_once(tmp_path: Path) -> None:
    item = pair(1)
    item.responses.append("middling 1")
    async with desk(tmp_path) as service:
        spec = {"kind": pb.CAMPAIGN_KIND_RANKING, "responses_per_item": 3, **ALONE}
        await service.create(items=[item], **spec)
        assignment = (await service.next("anna")).assignment
        for tiers in ([[0, 1]], [[0], [1], [2], [2]], [[0], [1], [3]], [[0, 1, 2], []]):
            ranking = pb.Ranking(tiers=[pb.RankingTier(positions=tier) for tier in tiers])
            with pytest.raises(grpc.aio.AioRpcError, match=r"every position from 0 to 2 once"):
                await service.submit("anna", assignment.id, ranking=ranking)
        places = [next(i for i, r in enumerate(assignment.responses) if word in r) for word in ("good", "middl", "bad")]
        ranking = pb.Ranking(tiers=[pb.RankingTier(positions=[place]) for place in places])
        await service.submit("anna", assignment.id, ranking=ranking)
        rows = (await service.download(aggregation=pb.AGGREGATION_VOTES)).decode().splitlines()
    assert len(rows) == 3, "three ranked responses are three comparisons"
    assert all("good" in row.split("rejected")[0] or "middl" in row.split("rejected")[0] for row in rows)


async def test_a_closed_campaign_takes_no_judgement_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with desk(tmp_path) as service:
        await service.create(items=pairs(3), **ALONE)
        assignment = (await service.next("anna")).assignment.id
        await service.submit("anna", assignment, request_id="in time")
        other = (await service.next("anna")).assignment.id
        await service.stub.CloseCampaign(pb.CloseCampaignRequest(campaign="tone"))
    async with desk(tmp_path) as service:
        assert (await service.next("anna")).nothing_left == pb.NOTHING_LEFT_CLOSED
        with pytest.raises(grpc.aio.AioRpcError, match="campaign tone is closed") as raised:
            await service.submit("anna", other)
        await service.submit("anna", assignment, request_id="in time")  # its answer was lost: it is acknowledged again
        assert len(await service.judgements()) == 1
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_everything_is_rebuilt_from_s3(tmp_path: Path, s3_url: str) -> None:
    async with desk(tmp_path, storage=s3_url) as service:
        await service.create(items=pairs(4), guidelines="first", **ALONE)
        await service.stub.SetGuidelines(pb.SetGuidelinesRequest(campaign="tone", guidelines="second"))
        await service.work("anna", prefer("good"), most=3)
        await service.undo("anna")
        before = await service.judgements(), await service.next("anna")
    async with desk(tmp_path, storage=s3_url) as service:
        assert (await service.judgements(), await service.next("anna")) == before


async def test_a_judgement_that_storage_refused_is_not_there_and_can_be_sent_again(tmp_path: Path) -> None:
    """A file where the folder of judgements belongs: nothing can be written below it."""
    async with desk(tmp_path) as service:
        await service.create(items=pairs(2), **ALONE)
        assignment = (await service.next("anna")).assignment.id
        blocked = tmp_path / "store" / "feedback" / "campaigns" / "tone" / "judgements"
        blocked.write_bytes(b"")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.submit("anna", assignment, request_id="one")
        assert await service.judgements() == []
        blocked.unlink()
        await service.submit("anna", assignment, request_id="one")
        assert len(await service.judgements()) == 1
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
