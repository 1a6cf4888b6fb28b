"""Campaigns that get their items from real policy and reward services, or from the catalog."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from rlhf.v1 import feedback_pb2 as pb
from rlhf.v1 import types_pb2 as types

from services.data import Comparison, Demonstration, Message, PromptRecord, write_canonical
from services.feedback.recipe import Sampling
from services.feedback.rollouts import ModelServices, Stopped
from services.policy import servicer as policy
from services.policy.settings import PolicySettings
from services.reward import servicer as reward
from services.reward.settings import RewardSettings
from services.runtime.server import running
from services.storage.datasets import DatasetStore
from services.storage.location import open_store
from tests.conftest import free_port
from tests.unit.feedback.desk import Desk, conversation, desk
from tests.unit.language_model import small_models
from tests.unit.language_model.small_models import byte_level, causal
from tests.unit.serving.live import Shelf

TOKENIZER = byte_level(pad_token="<s>")
PROMPTS = [
    pb.CampaignPrompt(prompt=conversation(f"What is {n} plus {n}?"), domain="sums" if n % 2 else "") for n in range(40)
]
SAMPLING = types.Sampling(max_new_tokens=6)
ALONE = {"overlap_share": 0.0, "repeat_share": 0.0, "gold_share": 0.0}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    shelf = Shelf(tmp_path_factory.mktemp("models"))
    shelf.publish("old", causal("llama", 0), TOKENIZER)
    shelf.publish("new", causal("llama", 1), TOKENIZER)
    for seed in range(2):
        shelf.publish(f"judge-{seed}", small_models.reward("llama", seed), TOKENIZER)
    return shelf


@asynccontextmanager
async def models(shelf: Shelf, port: int = 0) -> AsyncIterator[dict[str, str]]:
    """Addresses of a policy and a reward service, as feedback's settings take them."""
    settings = {**shelf.options, "port": port}
    serve_policy = partial(policy.register, PolicySettings(**settings), registry=CollectorRegistry())
    serve_reward = partial(reward.register, RewardSettings(**shelf.options), registry=CollectorRegistry())
    async with (
        running("policy", PolicySettings(**settings), serve_policy) as at_policy,
        running("reward", RewardSettings(**shelf.options), serve_reward) as at_reward,
    ):
        yield {"policy": str(at_policy), "reward": str(at_reward)}


def generated(**fields: Any) -> pb.GeneratedItems:
    return pb.GeneratedItems(**{"prompts": PROMPTS, "models": ["old", "new"], "sampling": SAMPLING, **fields})


async def until(service: Desk, wanted: int, campaign: str = "tone") -> pb.Campaign:
    return await _until(service, campaign, lambda found: found.state == wanted)


async def until_told(service: Desk, campaign: str, reason: str) -> None:
    await _until(service, campaign, lambda found: found.reason.startswith(reason))


async def _until(service: Desk, campaign: str, wanted: Callable[[pb.Campaign], bool]) -> pb.Campaign:
    deadline = time.monotonic() + 60
    while not wanted(found := await get(service, campaign)):
        assert time.monotonic() < deadline, f"still {pb.CampaignState.Name(found.state)}: {found.reason}"
        await asyncio.sleep(0.02)
    return found


async def get(service: Desk, campaign: str) -> pb.Campaign:
    return (await service.stub.GetCampaign(pb.GetCampaignRequest(campaign=campaign))).campaign


async def shown(service: Desk, campaign: str = "tone") -> list[dict[str, Any]]:
    """Every item, as one rater saw and skipped it."""
    while (found := await service.next("anna", campaign)).HasField("assignment"):
        await service.submit("anna", found.assignment.id, campaign=campaign, skip=pb.Skip(reason="only looking"))
    data = await service.download(campaign, kind=pb.EXPORT_KIND_JUDGEMENTS)
    return [json.loads(line) for line in data.splitlines()]


async def test_models_answer_every_prompt_and_pairs_are_drawn_with_their_propensity(shelf: Shelf) -> None:
    async with models(shelf) as addresses, desk(shelf.folder, **addresses) as service:
        made = await service.create(generated=generated(samples_per_model=2), **ALONE)
        campaign = await until(service, pb.CAMPAIGN_STATE_OPEN)
        rows = await shown(service)
    assert made.state == pb.CAMPAIGN_STATE_PREPARING
    assert all("@" in model for model in campaign.spec.generated.models), "pinned"
    assert len(rows) == campaign.progress.items == 40
    assert {row["prompt"][0]["content"] for row in rows} == {f"What is {n} plus {n}?" for n in range(40)}
    assert {row["domain"] for row in rows} == {"sums", ""}
    propensities = Counter(round(row["propensity"], 3) for row in rows)
    assert propensities.most_common(1)[0][0] == pytest.approx(1 / 6, abs=0.01), "four responses are six pairs"
    versions = set(campaign.spec.generated.models)
    assert {source for row in rows for source in row["sources"]} == versions
    first = Counter(row["sources"][0].split("@")[0] for row in rows if len(set(row["sources"])) == 2)
    assert set(first) == {"old", "new"}, "the place of a response says nothing of its source"


async def test_uncertain_pairs_are_likelier_and_each_has_its_probability(shelf: Shelf) -> None:
    spec = generated(
        samples_per_model=2,
        selection=pb.PAIR_SELECTION_UNCERTAINTY,
        reward_models=["judge-0", "judge-1"],
        num_items=30,
    )
    async with models(shelf) as addresses, desk(shelf.folder, **addresses) as service:
        await service.create("unsure", generated=spec, **ALONE)
        await until(service, pb.CAMPAIGN_STATE_OPEN, "unsure")
        rows = await shown(service, "unsure")
    assert len(rows) == 30
    assert len({round(row["propensity"], 6) for row in rows}) > 20
    assert all(0 < row["propensity"] <= 1 for row in rows)


async def test_responses_to_rank_are_all_different(shelf: Shelf) -> None:
    async with models(shelf) as addresses, desk(shelf.folder, **addresses) as service:
        spec = {"kind": pb.CAMPAIGN_KIND_RANKING, "responses_per_item": 3, **ALONE}
        await service.create("ranked", generated=generated(samples_per_model=3), **spec)
        await until(service, pb.CAMPAIGN_STATE_OPEN, "ranked")
        rows = await shown(service, "ranked")
    assert rows
    assert all(len(set(row["responses"])) == 3 for row in rows)


async def test_a_draft_is_what_one_model_says(shelf: Shelf) -> None:
    async with models(shelf) as addresses, desk(shelf.folder, **addresses) as service:
        spec = {"kind": pb.CAMPAIGN_KIND_DEMONSTRATION, **ALONE}
        await service.create("drafts", generated=generated(models=["new"]), **spec)
        await until(service, pb.CAMPAIGN_STATE_OPEN, "drafts")
        rows = await shown(service, "drafts")
    assert all(len(row["responses"]) == 1 for row in rows)
    assert {row["propensity"] for row in rows} == {1.0}


async def test_a_policy_that_is_down_is_waited_for_and_a_restart_goes_on(shelf: Shelf) -> None:
    port = free_port()
    nowhere = {"policy": f"127.0.0.1:{port}", "reward": f"127.0.0.1:{port}"}
    async with desk(shelf.folder, **nowhere) as service:
        await service.create("late", generated=generated(), **ALONE)
        found = await service.next("anna", "late")
    async with desk(shelf.folder, **nowhere) as service, models(shelf, port):
        campaign = await until(service, pb.CAMPAIGN_STATE_OPEN, "late")
    assert found.nothing_left == pb.NOTHING_LEFT_PREPARING
    assert campaign.progress.items > 30


async def test_who_waits_for_a_policy_keeps_nobody_else_waiting_and_stops_when_the_campaign_is_closed(
    shelf: Shelf,
) -> None:
    put(shelf.folder, "ready", "comparison", [Comparison((Message("user", "why"),), "good", "bad")])
    nowhere = f"127.0.0.1:{free_port()}"
    async with desk(shelf.folder, policy=nowhere, reward=nowhere) as service:
        await service.create("first", generated=generated(), **ALONE)
        await until_told(service, "first", "waits for a model service")
        await service.create("second", generated=generated(), **ALONE)
        await service.create("third", dataset="ready", **ALONE)
        await until(service, pb.CAMPAIGN_STATE_OPEN, "third")
        await service.stub.CloseCampaign(pb.CloseCampaignRequest(campaign="first"))
        await until_told(service, "second", "waits for a model service")
        assert (await get(service, "first")).state == pb.CAMPAIGN_STATE_CLOSED


def test_a_wait_for_a_service_ends_when_this_process_stops() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    services, told, ended = ModelServices(nowhere, nowhere), threading.Event(), list[Exception]()

    def ask() -> None:
        try:
            services.generate("new", [(Message("user", "why"),)], 1, Sampling(4), 0, lambda _: told.set())
        except Stopped as error:
            ended.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert told.wait(30)
    services.close()
    thread.join(30)  # a call alone may take two minutes
    assert [str(error) for error in ended] == ["the service stops"]


async def test_a_model_that_cannot_answer_fails_the_campaign_in_words(shelf: Shelf) -> None:
    async with models(shelf) as addresses, desk(shelf.folder, **addresses) as service:
        too_much = types.Sampling(max_new_tokens=1_000_000)
        await service.create("broken", generated=generated(sampling=too_much), **ALONE)
        campaign = await until(service, pb.CAMPAIGN_STATE_FAILED, "broken")
        found = await service.next("anna", "broken")
    assert "max_new_tokens" in campaign.reason
    assert found.nothing_left == pb.NOTHING_LEFT_CLOSED


async def test_the_same_seed_makes_the_same_items(shelf: Shelf) -> None:
    found = []
    async with models(shelf) as addresses, desk(shelf.folder, **addresses) as service:
        for name in ("seed-a", "seed-b"):
            await service.create(name, generated=generated(samples_per_model=2), seed=5, **ALONE)
            await until(service, pb.CAMPAIGN_STATE_OPEN, name)
            rows = await shown(service, name)
            found.append(sorted((row["item"], row["propensity"]) for row in rows))
    assert found[0] == found[1]


def put(folder: Path, name: str, kind: str, records: list) -> None:
    path = folder / f"{name}.jsonl"
    write_canonical(path, records)
    info = {"record_type": kind, "num_records": len(records), "num_bad": 0, "detected_format": "test"}
    DatasetStore(open_store(str(folder / "store"))).put(name, path, info)


async def test_comparisons_of_the_catalog_are_judged_again(tmp_path: Path) -> None:
    prompt = (Message("user", "why"),)
    put(tmp_path, "pairs", "comparison", [Comparison(prompt, f"good {n}", f"bad {n}") for n in range(40)])
    put(tmp_path, "prompts", "prompt", [PromptRecord(prompt)])
    put(tmp_path, "ideal", "demonstration", [Demonstration(prompt, "a draft")])
    async with desk(tmp_path) as service:
        await service.create("again", dataset="pairs", **ALONE)
        await service.create("write", dataset="prompts", kind=pb.CAMPAIGN_KIND_DEMONSTRATION, **ALONE)
        await service.create("edit", dataset="ideal", kind=pb.CAMPAIGN_KIND_DEMONSTRATION, **ALONE)
        for name in ("again", "write", "edit"):
            await until(service, pb.CAMPAIGN_STATE_OPEN, name)
        pairs = await shown(service, "again")
        drafts = [(await service.next("ben", name)).assignment.responses for name in ("write", "edit")]
    assert Counter(row["responses"][0].split()[0] for row in pairs).keys() == {"good", "bad"}
    assert [list(draft) for draft in drafts] == [[], ["a draft"]]


async def test_a_dataset_of_another_type_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "prompts", "prompt", [PromptRecord((Message("user", "why"),))])
    async with desk(tmp_path) as service:
        with pytest.raises(Exception, match="a dataset of type prompt, expected comparison"):
            await service.create("again", dataset="prompts")
