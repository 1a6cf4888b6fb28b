"""SIGKILL at random moments under fifty raters: what was acknowledged is there, once, and nothing else is wrong."""

import asyncio
import json
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rlhf

from services.local.process import ServiceProcess

RATERS, ITEMS, KILLS = 50, 150, 5
ITEM_LIST = [rlhf.Item(f"question {n}", (f"good {n}", f"bad {n}")) for n in range(ITEMS)]


@dataclass
class Acknowledged:
    """What raters were told: judgements that are stored, and those of them that were taken back."""

    judgements: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)


async def insist(call: Callable[[], Awaitable[Any]]) -> Any:
    """The same request until it is answered."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await call()
        except (rlhf.ConnectionFailedError, rlhf.NotReadyError, rlhf.DeadlineError):
            assert time.monotonic() < deadline, "the service did not come back"
            await asyncio.sleep(0.2)


async def rate(client: rlhf.AsyncClient, rater: str, told: Acknowledged) -> None:
    rng = random.Random(rater)
    while True:
        found = await insist(lambda: client.feedback.next("storm", rater=rater))
        assignment = found.assignment
        if assignment is None:
            if found.nothing_left == "done":
                return
            await asyncio.sleep(0.2)
            continue
        choice, request_id = rng.choice(["first", "second", "tie"]), uuid.uuid4().hex
        made = await insist(
            lambda a=assignment, c=choice, r=request_id: client.feedback.prefer(a, c, request_id=r, timeout=5)
        )
        told.judgements.append(made.judgement)
        await asyncio.sleep(rng.random() * 0.3)
        if rng.random() < 0.1:
            request_id = uuid.uuid4().hex
            undone = await insist(lambda r=request_id: client.feedback.undo("storm", rater=rater, request_id=r))
            told.undone.append(undone.judgement)


async def kill_and_restart(process: ServiceProcess, rng: random.Random) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(rng.uniform(0.3, 1.5))
        process.send(signal.SIGKILL)
        await asyncio.to_thread(process.wait, 10)
        process.start()
        await asyncio.to_thread(process.wait_until_healthy, time.monotonic() + 60)


async def test_every_acknowledged_judgement_is_in_the_export_exactly_once(tmp_path: Path) -> None:
    flags = [
        "--storage",
        str(tmp_path / "store"),
        "--cache",
        str(tmp_path / "cache"),
        "--work-dir",
        str(tmp_path / "w"),
    ]
    process = ServiceProcess("feedback", flags, 0, 0, tmp_path / "feedback.log")
    process.start()
    told = Acknowledged()
    try:
        await asyncio.to_thread(process.wait_until_healthy, time.monotonic() + 60)
        async with rlhf.AsyncClient(feedback=process.address) as client:
            await client.feedback.create("storm", overlap=4, overlap_share=1.0, repeat_share=0.1)
            await client.feedback.add_items("storm", ITEM_LIST)
            killing = asyncio.create_task(kill_and_restart(process, random.Random(0)))
            await asyncio.gather(*(rate(client, f"rater-{n}", told) for n in range(RATERS)))
            await killing
            path = await client.feedback.download("storm", tmp_path / "all.jsonl", kind="judgements")
            campaign = await client.feedback.get("storm")
    finally:
        process.stop(10)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    ids = Counter(row["id"] for row in rows)
    standing = [row for row in rows if row["kind"] != "undo" and not row["undone"]]
    assert max(ids.values()) == 1
    assert set(told.judgements) <= ids.keys()
    assert {row["id"] for row in rows if row["undone"]} >= set(told.undone)
    assert {row["id"] for row in standing} == set(told.judgements) - set(told.undone)
    assert max(Counter((row["rater"], row["item"], row["repeat"]) for row in standing).values()) == 1
    assert campaign.progress.items_done == ITEMS
    assert campaign.progress.judgements == sum(not row["repeat"] for row in standing) >= 4 * ITEMS
