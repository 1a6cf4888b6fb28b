"""A real kube-apiserver over a real etcd, on ports of their own, without controllers and nodes."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernetes.client import ApiClient, ApiException, Configuration, CoreV1Api
from urllib3.exceptions import HTTPError

from tests.certificates import Authority
from tests.conftest import free_port, wait_until

TOOLS = ("etcd", "kube-apiserver")
ADMIN, TRAINER = "admin-token", "trainer-token"


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@dataclass(frozen=True)
class RealServer:
    address: str
    ca: Path

    def client(self, token: str) -> ApiClient:
        configuration = Configuration(host=self.address, ssl_ca_cert=str(self.ca))
        configuration.api_key = {"authorization": token}
        configuration.api_key_prefix = {"authorization": "Bearer"}
        return ApiClient(configuration)

    def answers(self) -> bool:
        """Once its first namespace is there, everything is."""
        try:
            CoreV1Api(self.client(ADMIN)).read_namespace("default", _request_timeout=2)
        except (ApiException, HTTPError):
            return False
        return True


@contextmanager
def real_server(folder: Path) -> Iterator[RealServer]:
    """Who comes with ADMIN may do everything, who comes with TRAINER what RBAC gives to the user `trainer`."""
    storage, port = f"http://127.0.0.1:{free_port()}", free_port()
    authority = Authority(folder)
    with ExitStack() as started:
        _start(started, folder, "etcd", _etcd(folder, storage))
        _start(started, folder, "kube-apiserver", _api_server(folder, storage, port, authority))
        server = RealServer(f"https://127.0.0.1:{port}", authority.ca)
        wait_until(server.answers, 60)
        yield server


def _start(started: ExitStack, folder: Path, program: str, flags: dict[str, str]) -> None:
    log = started.enter_context((folder / f"{program}.log").open("wb"))
    command = [program, *(f"--{name}={value}" for name, value in flags.items())]
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    started.callback(process.wait, 20)
    started.callback(process.kill)


def _etcd(folder: Path, address: str) -> dict[str, str]:
    peers = f"http://127.0.0.1:{free_port()}"
    return {
        "data-dir": str(folder / "etcd"),
        "listen-client-urls": address,
        "advertise-client-urls": address,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
        "unsafe-no-fsync": "true",
    }


def _api_server(folder: Path, storage: str, port: int, authority: Authority) -> dict[str, str]:
    pair = authority.issue("api-server")
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{ADMIN},admin,1,"system:masters"\n{TRAINER},trainer,2\n')
    return {
        "etcd-servers": storage,
        "bind-address": "127.0.0.1",
        "secure-port": str(port),
        "tls-cert-file": str(pair.cert),
        "tls-private-key-file": str(pair.key),
        "token-auth-file": str(tokens),
        "authorization-mode": "RBAC",
        "service-cluster-ip-range": "10.96.0.0/16",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": str(pair.cert),
        "service-account-signing-key-file": str(pair.key),
        "disable-admission-plugins": "ServiceAccount",  # its accounts are made by a controller
    }
