"""All services as real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from rlhf.v1 import trainer_pb2 as pb
from rlhf.v1.trainer_pb2_grpc import TrainerServiceStub

from services.local import FIXED_PORTS, Services
from services.local.process import ServiceProcess, StartFailed, check_health

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("local")
    with Services(storage=str(folder / "storage"), folder=folder / "services", policies=2) as services:
        yield services


def runs(services: Services) -> list[pb.Run]:
    with grpc.insecure_channel(services.addresses["trainer"]) as channel:
        return list(TrainerServiceStub(channel).ListRuns(pb.ListRunsRequest(), timeout=10, wait_for_ready=True).runs)


def test_every_service_answers_on_loopback_under_its_name(services: Services) -> None:
    assert sorted(services.addresses) == ["feedback", "policy", "reference", "reward", "trainer"]
    for address in services.addresses.values():
        assert address.startswith("127.0.0.1:")
        check_health(address, 10)
    assert runs(services) == []


def test_each_connection_has_a_policy_service_of_its_own(services: Services) -> None:
    first, second = services.connections
    assert first == services.connection
    assert first["policy"] != second["policy"]
    assert {**first, "policy": second["policy"]} == second, "the other services are the same"
    check_health(second["policy"], 10)
    assert f"listening on {second['policy']}" in services.log("policy-2").read_text()


def test_logs_go_to_files(services: Services) -> None:
    assert f"listening on {services.addresses['policy']}" in services.log("policy").read_text()


def test_a_killed_service_comes_back_under_the_same_address(services: Services) -> None:
    address, pid = services.addresses["trainer"], services.pids["trainer"]
    services.kill("trainer")
    assert not psutil.pid_exists(pid)
    services.restart("trainer")
    assert services.addresses["trainer"] == address
    assert services.pids["trainer"] != pid
    assert runs(services) == []


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    process = ServiceProcess("trainer", ["--no-such-flag"], 0, 0, tmp_path / "trainer.log")
    process.start()
    with pytest.raises(StartFailed) as raised:
        process.wait_until_healthy(time.monotonic() + 60)
    assert "--no-such-flag: got an unknown flag" in str(raised.value)


def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    mine = {child.pid for child in psutil.Process().children()}
    services = Services(str(tmp_path / "storage"), tmp_path, flags={"policy": ("--no-such-flag",)})
    with pytest.raises(StartFailed, match="policy did not start"):
        services.start()
    assert {child.pid for child in psutil.Process().children()} <= mine


def test_a_taken_port_is_named(services: Services, tmp_path: Path) -> None:
    taken = int(services.addresses["trainer"].rsplit(":", 1)[1])
    process = ServiceProcess("trainer", ["--storage", str(tmp_path / "storage")], taken, 0, tmp_path / "trainer.log")
    process.start()
    with pytest.raises(StartFailed, match=f"cannot listen on 127.0.0.1:{taken}"):
        process.wait_until_healthy(time.monotonic() + 60)


def test_stop_ends_every_process_also_one_that_hangs(tmp_path: Path) -> None:
    process = ServiceProcess("trainer", ["--storage", str(tmp_path / "storage")], 0, 0, tmp_path / "trainer.log")
    process.start()
    process.wait_until_healthy(time.monotonic() + 60)
    os.kill(process.pid, signal.SIGSTOP)
    process.stop(0.5)
    assert not process.running


def test_no_service_outlives_its_parent_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from services.local.process import ServiceProcess\n"
        "folder = Path(sys.argv[1])\n"
        "process = ServiceProcess('trainer', ['--storage', str(folder / 'storage')], 0, 0, folder / 'trainer.log')\n"
        "process.start(); process.wait_until_healthy(time.monotonic() + 60)\n"
        "print(process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        service = psutil.Process(int(parent.stdout.readline()))
        assert service.is_running()
        parent.kill()
    assert psutil.wait_procs([service], timeout=30)[1] == [], "the trainer lives on"


def test_fixed_ports_are_those_that_clients_look_at() -> None:
    assert FIXED_PORTS["policy"] == (50051, 9051)
    assert FIXED_PORTS["trainer"] == (50054, 9054)
