"""The worker as a launcher starts it. Nobody listens at the services' addresses: SFT needs none of them, and the
control plane may be dead."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.trainer import attempts, specs
from services.trainer.attempts import Attempt, Base, StageOutcome, Status
from services.trainer.recipes import Optimization, RunSpec, SftSpec
from services.trainer.worker.__main__ import address, main, settings_or_exit
from services.trainer.worker.settings import WorkerSettings
from tests.conftest import wait_until
from tests.unit.trainer.worker import small_world
from tests.unit.trainer.worker.small_world import SmallWorld, demonstrations, prompts

NOBODY = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _own_signal_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def settings(world: SmallWorld, number: int) -> WorkerSettings:
    work_dir = world.folder / str(number)
    work_dir.mkdir()
    return WorkerSettings(
        storage=str(world.folder / "storage"),
        run=world.run_id,
        attempt=number,
        trainer=NOBODY,
        policy=NOBODY,
        reward=NOBODY,
        reference=NOBODY,
        work_dir=work_dir,
    )


def launch(world: SmallWorld, number: int) -> subprocess.Popen:
    given = {name: value for name, value in vars(settings(world, number)).items() if value is not None}
    flags = [text for name, value in given.items() for text in (flag(name), str(value))]
    with (world.folder / str(number) / "log.txt").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "services.trainer.worker", *flags], stdout=log, stderr=log)


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def give(world: SmallWorld, epochs: int, dataset: str = "") -> Attempt:
    """A run of 4 steps per epoch with a checkpoint after every 10th step."""
    base = str(world.publish("base", small_world.policy()))
    optimization = Optimization(batch_size=16, epochs=epochs, checkpoint_every=10)
    data = dataset or world.put("demos", demonstrations(64))
    spec = RunSpec("mine", SftSpec(base, data, optimization), seed=1, deterministic=True)
    specs.write_spec(world.store, world.run_id, spec)
    first = Attempt(world.store, world.run_id, 1)
    first.write_base(Base())
    return first


def successor(world: SmallWorld, number: int) -> Attempt:
    found = Attempt(world.store, world.run_id, number)
    found.write_base(attempts.next_base(world.store, world.run_id, number - 1, ["sft"]))
    return found


def status(attempt: Attempt) -> Status:
    found = attempt.status()
    assert found is not None
    return found


def outcome(attempt: Attempt) -> StageOutcome:
    found = attempt.outcome("sft")
    assert found is not None
    return found


def test_a_worker_trains_and_says_so(world: SmallWorld) -> None:
    attempt = give(world, epochs=1)
    assert main(settings(world, 1)) == 0
    assert (status(attempt).state, status(attempt).step, status(attempt).total_steps) == ("succeeded", 4, 4)
    assert world.models.version("mine", outcome(attempt).version).digest == outcome(attempt).digest
    assert [step.step for step in attempt.steps("sft")] == [1, 2, 3, 4]
    assert not list((world.folder / "1").iterdir()), "the work folder is left as it was"


def test_killed_then_stopped_then_left_alone_it_makes_the_same_model(world: SmallWorld, tmp_path: Path) -> None:
    whole = SmallWorld(tmp_path / "whole")
    first, uninterrupted = give(world, epochs=40), give(whole, epochs=40)
    assert main(settings(whole, 1)) == 0

    process = launch(world, 1)
    wait_until(lambda: bool(first.checkpoint_steps("sft")), seconds=100)
    process.kill()
    process.wait(10)
    assert status(first).state == "running"

    second = successor(world, 2)
    process = launch(world, 2)
    wait_until(lambda: bool(second.checkpoint_steps("sft")), seconds=100)
    process.terminate()
    assert process.wait(60) == 0
    assert status(second).state == "stopped"
    assert "SIGTERM" in status(second).error
    assert world.models.names() == ["base"]

    third = successor(world, 3)
    assert third.base().attempt == 2
    assert main(settings(world, 3)) == 0
    assert outcome(third).digest == outcome(uninterrupted).digest


def test_what_went_wrong_is_said_in_words(world: SmallWorld) -> None:
    attempt = give(world, epochs=1, dataset=world.put("prompts", prompts(8)))
    assert main(settings(world, 1)) == 1
    assert status(attempt).state == "failed"
    assert "sft.dataset: got prompts with 8 records" in status(attempt).error


def test_credentials_it_cannot_use_are_the_reason_of_the_run(
    world: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = give(world, epochs=1)
    monkeypatch.setenv("RLHF_CA", "/nonexistent/ca.pem")
    assert main(settings(world, 1)) == 1
    assert status(attempt).state == "failed"
    assert "ca: got /nonexistent/ca.pem, which cannot be used" in status(attempt).error


@pytest.mark.parametrize(
    ("key", "address", "words"),
    [
        ("wrong", None, "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("test-secret-value", NOBODY, "for now: no answer from the storage"),  # another attempt finds out
    ],
)
def test_what_storage_cannot_be_told_is_left_where_the_launcher_looks(
    world: SmallWorld,
    s3_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str,
    address: str | None,
    words: str,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key)
    last_words = world.folder / "last_words"
    storage = f"s3://bucket?endpoint=http://{address}" if address else s3_url
    assert main(replace(settings(world, 1), storage=storage, last_words=last_words)) == 1
    assert words in last_words.read_text()
    assert "the storage of bucket" in caplog.text


def test_settings_it_cannot_work_with_are_refused_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["worker", "--threads", "0", "--colour=red"])
    with pytest.raises(SystemExit) as exit_info:
        settings_or_exit()
    assert exit_info.value.code == 2
    said = capsys.readouterr().err
    for field in ("storage", "run", "attempt", "threads", "--colour=red"):
        assert f"{field}: got" in said


def test_an_address_of_ipv6_has_brackets() -> None:
    assert (address("10.1.2.3", 9055), address("fd00::7", 9055)) == ("10.1.2.3:9055", "[fd00::7]:9055")
