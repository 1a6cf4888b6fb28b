"""All services on this machine, started, watched over and stopped together."""

import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rlhf.configuration import Settings

from services.local.process import NOBODY, ServiceProcess

MODEL_SERVICES = ("policy", "reward", "reference")
NAMES = (*MODEL_SERVICES, "trainer", "feedback")
# Where clients look when nobody tells them.
FIXED_PORTS = {name: (50051 + i, 9051 + i) for i, name in enumerate(NAMES)}
FREE_PORTS = {name: (0, 0) for name in (*NAMES, "gateway")}
GATEWAY_PORT = 8080  # beside FIXED_PORTS, or any free one where that is taken
START_SECONDS = 180.0
DRAIN_SECONDS = 10.0  # nobody on one machine waits longer for a stop
STOP_SECONDS = 60.0  # for the trainer, whose workers finish their step


class Services:
    """`ports` is (gRPC, metrics) by name, FIXED_PORTS or any free ones; `flags` are added to a service's own.
    `identity` are variables such as RLHF_TOKENS that services know callers by, and RLHF_TOKEN that workers show.

    `gateway` starts HTTP and the pages too. `policies` is how many policy services there are: a process decodes on one
    core. Workers ask the first.

    Usable as `with Services(storage=…, folder=…) as services:`. Logs are `folder`/<name>.log. On stop, runs under way
    are stopped too and go on from their last checkpoint with the next start on the same storage.
    """

    def __init__(
        self,
        storage: str,
        folder: Path,
        ports: Mapping[str, tuple[int, int]] = FREE_PORTS,
        threads: int = 1,
        flags: Mapping[str, tuple[str, ...]] | None = None,
        identity: Mapping[str, str] = NOBODY,
        gateway: bool = False,
        policies: int = 1,
    ) -> None:
        self._storage = storage
        self._folder = folder.absolute()
        self._ports = ports
        self._threads = threads
        self._flags = flags or {}
        self._identity = identity
        self._with_gateway = gateway
        self._more_policies = tuple(f"policy-{number}" for number in range(2, policies + 1))
        self._processes: dict[str, ServiceProcess] = {}

    @property
    def addresses(self) -> dict[str, str]:
        """host:port by name, as `rlhf.Client` takes them."""
        return {name: self._processes[name].address for name in NAMES if name in self._processes}

    @property
    def gateway_url(self) -> str:
        """Of the pages and endpoints over HTTP."""
        return f"http://{self._processes['gateway'].address}"

    @property
    def connection(self) -> Settings:
        """How `rlhf.Client` reaches them, whatever environment and configuration say of services elsewhere."""
        return {**self.addresses, "token": "", "ca": "", "cert": "", "key": ""}  # type: ignore[typeddict-item]

    @property
    def connections(self) -> list[Settings]:
        """One for each policy service; the first is `connection`."""
        addresses = [self._processes[name].address for name in ("policy", *self._more_policies)]
        return [{**self.connection, "policy": address} for address in addresses]

    @property
    def metrics_addresses(self) -> dict[str, str]:
        return {name: process.metrics_address for name, process in self._processes.items()}

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    def log(self, name: str) -> Path:
        return self._processes[name].log

    def start(self) -> Self:
        """Returns when all are healthy. Raises StartFailed, with nothing left running. Once is enough."""
        if self._processes:
            return self
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + START_SECONDS
        try:
            self._start(MODEL_SERVICES, deadline)
            self._start(("trainer", "feedback", *self._more_policies), deadline)
            if self._with_gateway:
                self._start(("gateway",), deadline)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """The trainer first: its workers need the others to finish their step."""
        for process in reversed(self._processes.values()):
            if process.name == "trainer":
                process.stop(STOP_SECONDS)
            process.send(signal.SIGTERM)
        for process in self._processes.values():
            process.stop(DRAIN_SECONDS + 10)
        self._processes.clear()

    def kill(self, name: str) -> None:
        """SIGKILL: nothing is finished and nothing is said. Workers live on."""
        self._processes[name].send(signal.SIGKILL)
        self._processes[name].wait(10)

    def restart(self, name: str) -> None:
        """Under the same address; one that still runs is stopped before."""
        process = self._processes[name]
        process.stop(STOP_SECONDS)
        process.start()
        process.wait_until_healthy(time.monotonic() + START_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _start(self, names: tuple[str, ...], deadline: float) -> None:
        for name in names:
            port, metrics_port = self._ports[name] if name in self._ports else any_ports(name)
            log = self._folder / f"{name}.log"
            process = ServiceProcess(kind_of(name), self._arguments(name), port, metrics_port, log, self._identity)
            self._processes[name] = process
            self._processes[name].start()
        for name in names:
            self._processes[name].wait_until_healthy(deadline)

    def _arguments(self, name: str) -> list[str]:
        if name == "gateway":
            return [*self._addressed("policy", "reward", "trainer", "feedback"), *self._flags.get(name, ())]
        own = {"trainer": self._trainer_arguments, "feedback": self._feedback_arguments}.get(name, list)()
        common = ["--storage", self._storage, "--cache", str(self._folder / "cache" / name)]
        limits = ["--threads", str(self._threads), "--drain-seconds", str(DRAIN_SECONDS)]
        return [*common, *limits, *own, *self._flags.get(kind_of(name), ())]

    def _trainer_arguments(self) -> list[str]:
        return [*self._addressed(*MODEL_SERVICES), "--work-dir", str(self._folder / "work"), "--stop-workers"]

    def _feedback_arguments(self) -> list[str]:
        return [*self._addressed("policy", "reward"), "--work-dir", str(self._folder / "feedback")]

    def _addressed(self, *names: str) -> list[str]:
        return [text for name in names for text in (f"--{name}", self._processes[name].address)]


def kind_of(name: str) -> str:
    """policy-2 is a policy service."""
    return name.partition("-")[0]


def any_ports(name: str) -> tuple[int, int]:
    """Any free ones, but for the gateway, which people look for where it usually is."""
    return (free_or_any(GATEWAY_PORT) if name == "gateway" else 0), 0


def free_or_any(port: int) -> int:
    """The port itself unless it is taken; 0 stands for any free one."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return 0
    return port
