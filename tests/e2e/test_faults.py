"""Services, control plane and workers die, hang and come back in the middle of a run; nothing is lost."""

import asyncio
import hashlib
import json
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import psutil
import pytest
import rlhf
from rlhf.v1 import catalog_pb2 as pb
from rlhf.v1.catalog_pb2_grpc import CatalogServiceStub

from services.runtime.server import running
from services.storage.models import ModelStore
from services.trainer import supervisor
from services.trainer.attempts import Attempt
from services.trainer.events import ATTEMPT_BITS
from services.trainer.launchers.local import LocalLauncher
from services.trainer.launching import local_launcher
from services.trainer.service import Trainer
from services.trainer.settings import TrainerSettings
from tests.conftest import wait_until
from tests.e2e.workplace import SAMPLES, Workplace, alive, workplace

pytestmark = pytest.mark.timeout(900)

PATIENCE = 800.0  # seconds for a run of seconds: the machine may be busy with other things


class Clock:
    """Stands in for `time` in the supervisor, so that nobody has to wait until a worker counts as silent."""

    ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with workplace(tmp_path_factory.mktemp("faults")) as work:
        yield work


def steps_of(events: list[rlhf.StepEvent]) -> list[int]:
    return [event.step for event in events if event.metrics]


def check_complete(work: Workplace, run: rlhf.RunHandle, events: list[rlhf.StepEvent], steps: int) -> None:
    """Every step was told once, in order; a later watcher hears the same; every rollout is kept and has a score."""
    assert steps_of(events) == list(range(1, steps + 1))
    ids = [event.event for event in events]
    assert ids == sorted(set(ids))
    assert [event.event for event in run.watch(timeout=60)] == ids
    assert (run.refresh().state, run.attempt) == ("succeeded", 1)
    assert [step.step for step in work.attempt(run).steps("ppo")] == list(range(1, steps + 1))
    for step in range(steps):
        rollouts = ledger(work.attempt(run), step)
        assert len({(r["place"], r["sample"]) for r in rollouts}) == SAMPLES
        assert all(isinstance(r["score"], float) for r in rollouts)
    digests = {ledger(work.attempt(run), step)[0]["digest"] for step in range(steps)}
    assert len(digests) == steps, "each step asks for the weights that the step before made"


@contextmanager
def held_still(process: psutil.Process) -> Iterator[None]:
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def ledger(attempt: Attempt, step: int) -> list[dict[str, Any]]:
    return json.loads(attempt.store.get(f"{attempt.prefix}rollouts/ppo/{step:08d}.json"))["rollouts"]


@pytest.mark.parametrize("name", ["policy", "reward", "reference"])
def test_a_run_waits_for_a_service_that_was_killed(work: Workplace, name: str) -> None:
    run = work.client.runs.create(work.ppo(steps=6), name=f"without-{name}")
    events = []
    for event in run.watch(timeout=PATIENCE):
        events.append(event)
        if event.step == 2 and event.metrics:
            work.services.kill(name)
            time.sleep(2)
            assert not run.refresh().done, f"the run went on without {name}"
            work.services.restart(name)
    check_complete(work, run, events, steps=6)


def test_a_control_plane_that_was_killed_adopts_its_worker(work: Workplace) -> None:
    """The worker is held still while the control plane starts: there must be something left to adopt."""
    run = work.client.runs.create(work.ppo(steps=14), name="orphan")
    events = []
    for event in run.watch(timeout=PATIENCE):
        events.append(event)
        if event.step == 2 and event.metrics:
            worker = work.worker(run)
            work.services.kill("trainer")
            unheard = event.step + 3  # what was told by now may be stored a moment later
            wait_until(lambda u=unheard: any(s.step >= u for s in work.attempt(run).steps("ppo")), seconds=60)
            with held_still(worker):
                work.services.restart("trainer")
                assert run.refresh().state == "running"
                assert work.worker(run) == worker
    check_complete(work, run, events, steps=14)


def test_an_attempt_that_was_overtaken_changes_nothing(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempt 1 is held still for so long that it is taken for dead, where the control plane cannot kill it: as on a
    machine that was cut off. Attempt 2 goes on from its checkpoint; then attempt 1 wakes up."""
    monkeypatch.setattr(LocalLauncher, "stop", lambda *_: None)
    monkeypatch.setattr(LocalLauncher, "clear", lambda *_: None)
    monkeypatch.setattr(supervisor, "time", clock := Clock())
    spec = work.ppo(steps=8)
    whole = work.client.runs.create(spec, name="whole", seed=5, deterministic=True).wait(timeout=PATIENCE)
    work.services.kill("trainer")
    try:
        asyncio.run(overtake(work, spec, whole, clock))
    finally:
        work.services.restart("trainer")


async def overtake(work: Workplace, spec: rlhf.Ppo, whole: rlhf.Run, clock: Clock) -> None:
    asked = ("policy", "reward", "reference")
    addresses = {name: address for name, address in work.services.addresses.items() if name in asked}
    settings = TrainerSettings(
        storage=str(work.folder / "storage"),
        cache=work.folder / "cache",
        work_dir=work.folder / "work",
        port=0,
        metrics_port=0,
        **addresses,
    )
    trainer = Trainer(settings, local_launcher)
    async with (
        running("trainer", settings, trainer.register, trainer.admission) as address,
        trainer.supervised(address),
        rlhf.AsyncClient(trainer=str(address), **addresses) as client,
    ):
        run = await client.runs.create(spec, name="overtaken", seed=5, deterministic=True)
        first, versions = None, set()
        async for event in run.watch(timeout=PATIENCE):
            if event.metrics and event.step == 3 and first is None:
                first = work.worker(run)
                first.suspend()
                versions = training_versions(work, run)
                clock.ahead = 2 * settings.heartbeat_seconds
            if event.run.attempt == 2 and not event.metrics and clock.ahead:
                assert "silent" in event.run.reason
                clock.ahead = 0.0
            if event.run.attempt > 1 and event.metrics and first and first.status() == psutil.STATUS_STOPPED:
                first.resume()
        assert first is not None
        try:
            await asyncio.to_thread(wait_until, lambda: not alive(first), seconds=120)
        finally:
            with suppress(psutil.NoSuchProcess):
                first.kill()
        await check_result(work, client, run, whole)
        of_first = {version for version in training_versions(work, run) if version.startswith("1.")}
        # It may have been stopped in the middle of writing the version of step 3, which nobody asks for any more.
        late = {version for version in of_first - versions if not version.startswith("1.3-")}
        assert not late, "no step was made and published by attempt 1 after it had woken up"
        check_history(work, run, [event async for event in run.watch(timeout=60)])


async def check_result(work: Workplace, client: rlhf.AsyncClient, run: rlhf.AsyncRunHandle, whole: rlhf.Run) -> None:
    """It is attempt 2's, the only version, and equal to that of a run that nothing befell."""
    (result,) = (await run.refresh()).results.values()
    (expected,) = whole.results.values()
    assert result.model
    assert expected.model
    assert result.model.digest == expected.model.digest
    assert (run.state, run.attempt, work.record(run)["attempt"]) == ("succeeded", 2, 2)
    assert [model.version for model in await client.models.list("overtaken")] == [result.model.version]
    assert result.model.version.startswith("2.")


def check_history(work: Workplace, run: rlhf.Run, events: list[rlhf.StepEvent]) -> None:
    """Up to the checkpoint the steps are attempt 1's, past it attempt 2's, which is also what is measured of them."""
    base = work.attempt(run, 2).base()
    assert (base.attempt, base.stage) == (1, "ppo")
    assert 2 <= base.step < 8
    told = {event.step: event for event in events if event.metrics}
    assert list(told) == list(range(1, 9))
    assert [told[step].event >> ATTEMPT_BITS for step in told] == [1] * base.step + [2] * (8 - base.step)
    kept = {step.step: step.metrics for step in work.attempt(run, 2).steps("ppo")}
    assert {step: event.metrics for step, event in told.items() if step > base.step} == kept
    status = work.attempt(run).status()
    assert status
    assert status.state == "stopped"
    assert work.attempt(run).outcome("ppo") is None


def training_versions(work: Workplace, run: rlhf.Run) -> set[str]:
    models = ModelStore(work.store, work.folder / "models")
    return {version.version for version in models.versions(f"{run.id}-ppo")}


def test_an_upload_under_way_is_finished_before_the_trainer_stops(work: Workplace) -> None:
    """Its second half is sent after SIGTERM."""
    go_on, before = threading.Event(), uploads(work)
    text = b'{"prompt": "Name four birds."}\n'
    header = pb.DatasetHeader(name="late", filename="late.jsonl", sha256=hashlib.sha256(text * 2).hexdigest())
    trainer = psutil.Process(work.services.pids["trainer"])

    def requests() -> Iterator[pb.UploadDatasetRequest]:
        yield pb.UploadDatasetRequest(header=header)
        yield pb.UploadDatasetRequest(chunk=text)
        go_on.wait(60)
        yield pb.UploadDatasetRequest(chunk=text)

    with grpc.insecure_channel(work.services.addresses["trainer"]) as channel:
        answer = CatalogServiceStub(channel).UploadDataset.future(requests(), timeout=120, wait_for_ready=True)
        wait_until(lambda: uploads(work) > before, seconds=60)
        trainer.send_signal(signal.SIGTERM)
        wait_until(lambda: "trainer stops" in work.services.log("trainer").read_text(), seconds=60)
        go_on.set()
        assert answer.result().dataset.num_records == 2
    psutil.wait_procs([trainer], timeout=60)
    work.services.restart("trainer")
    with rlhf.Client(**work.services.addresses) as client:
        assert [dataset.num_records for dataset in client.datasets.list("late")] == [2]


def uploads(work: Workplace) -> float:
    """How many the trainer has taken up."""
    with urllib.request.urlopen(f"http://{work.services.metrics_addresses['trainer']}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    started = [line for line in lines if line.startswith("grpc_server_started_total") and "UploadDataset" in line]
    return sum(float(line.split()[-1]) for line in started)
