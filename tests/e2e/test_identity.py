"""All services with tokens and mutual TLS: who gets in, who does not, and that training goes on under its own name."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import rlhf
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from rlhf.cli import app
from rlhf.v1 import lifecycle_pb2  # noqa: F401 (a contract that the SDK has no use for)
from typer.testing import CliRunner

from services.local import Services
from services.runtime.identity import Role
from services.runtime.permissions import roles_for
from services.storage import open_store
from tests.certificates import Authority
from tests.e2e.workplace import Workplace, stock

pytestmark = pytest.mark.timeout(600)

SERVICES = ("policy", "reward", "reference", "trainer", "feedback")
HEALTH, REFLECTION = "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"


@dataclass(frozen=True)
class Site:
    """`tokens` by role; `mutual` are the arguments of clients that make them welcome, but for the token."""

    services: Services
    authority: Authority
    tokens: dict[str, str]
    table: Path
    mutual: dict[str, Any]
    folder: Path

    def client(self, token: str = "") -> rlhf.Client:
        return rlhf.Client(**self.services.addresses, **self.mutual, token=token)

    def as_(self, role: Role) -> rlhf.Client:
        return self.client(self.tokens[role])

    def channel(self, service: str) -> grpc.Channel:
        files = [self.mutual[name].read_bytes() for name in ("ca", "key", "cert")]
        return grpc.secure_channel(self.services.addresses[service], grpc.ssl_channel_credentials(*files))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("identity")
    authority = Authority(folder)
    server, client = authority.issue("server"), authority.issue("client")
    tokens = {role: secrets.token_hex(24) for role in (*Role, "worker")}
    table = write_table(folder / "tokens", tokens)
    tls = ("--tls-cert", server.cert, "--tls-key", server.key, "--tls-client-ca", authority.ca)
    flags = tuple(map(str, (*tls, "--tokens-file", table)))
    mutual = {"ca": authority.ca, "cert": client.cert, "key": client.key}
    own = {f"RLHF_{name.upper()}": str(path) for name, path in mutual.items()}
    with Services(
        str(folder / "storage"),
        folder / "services",
        flags=dict.fromkeys(SERVICES, flags),
        identity={**own, "RLHF_TOKEN": tokens["worker"]},
    ) as services:
        yield Site(services, authority, tokens, table, mutual, folder)


def write_table(file: Path, tokens: dict[str, str]) -> Path:
    roles = {"worker": Role.TRAINER}
    file.write_text("".join(f"{roles.get(name, name)} my-{name} {token}\n" for name, token in tokens.items()))
    return file


@pytest.fixture(scope="module")
def trained(site: Site) -> rlhf.RunHandle:
    """A step of PPO, for which a worker asks every service."""
    with site.as_(Role.OPERATOR) as client:
        stock(client, site.folder)
    with site.as_(Role.TRAINER) as client:
        work = Workplace(site.services, client, open_store(str(site.folder / "storage")), site.folder)
        run = client.runs.create(work.ppo(steps=1), name="tuned")
        words: set[str] = set()
        for _ in run.watch(timeout=400):
            words |= command_lines_below(site.services.pids["trainer"])
        run.wait(timeout=10)
        assert words, "the worker was seen"
        assert not any(token in word for word in words for token in site.tokens.values())
        return run


def command_lines_below(pid: int) -> set[str]:
    words: set[str] = set()
    for process in psutil.Process(pid).children(recursive=True):
        try:
            words |= set(process.cmdline())
        except psutil.NoSuchProcess:
            continue
    return words


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def names(site: Site, service: str) -> set[str]:
    """Of all that the process serves, as it says itself."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with site.channel(service) as channel:
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        answers = reflect(iter([request]), metadata=bearer(site.tokens[Role.CALLER]), timeout=30)
        return {found.name for found in next(answers).list_services_response.service}


def methods(site: Site, service: str) -> list[str]:
    pool: Any = descriptor_pool.Default()
    found = [pool.FindServiceByName(name) for name in names(site, service)]
    return [f"/{each.full_name}/{method.name}" for each in found for method in each.methods]


def code(channel: grpc.Channel, method: str, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    """Of a call with an empty message, whichever kind of method it is; OK with the first answer."""
    call: Any = channel.stream_stream(method)(iter([b""]), metadata=metadata, timeout=30)
    try:
        next(call, None)
    except grpc.RpcError:
        return call.code()
    finally:
        call.cancel()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("service", SERVICES)
def test_without_a_token_nothing_but_health_answers(site: Site, service: str) -> None:
    found = methods(site, service)
    assert any(REFLECTION in method for method in found)
    with site.channel(service) as channel:
        for shown in ([], bearer("x" * 48), [("authorization", f"Basic {site.tokens[Role.OPERATOR]}")]):
            answered = {method for method in found if code(channel, method, shown) != grpc.StatusCode.UNAUTHENTICATED}
            assert answered == {f"/{HEALTH}/Check", f"/{HEALTH}/Watch"}
        for name in ("", *names(site, service) - {HEALTH, REFLECTION}):
            answer: Any = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("service", SERVICES)
def test_each_role_is_kept_from_what_its_row_does_not_name(site: Site, service: str) -> None:
    ours = [method for method in methods(site, service) if method.startswith("/rlhf.")]
    assert ours
    with site.channel(service) as channel:
        for role in Role:
            kept_out = {method for method in ours if role not in roles_for(method)}
            codes = {code(channel, method, bearer(site.tokens[role])) for method in kept_out}
            assert codes <= {grpc.StatusCode.PERMISSION_DENIED}


def test_without_a_certificate_there_is_no_connection_at_all(site: Site) -> None:
    for shown in ({}, {"ca": site.authority.ca}):
        with (
            rlhf.Client(**site.services.addresses, **shown, token=site.tokens[Role.OPERATOR]) as client,
            pytest.raises(rlhf.ConnectionFailedError, match=r"If it speaks TLS, give ca=… or \$RLHF_CA"),
        ):
            client.models.list(timeout=20)


def test_a_worker_trains_under_its_own_identity(trained: rlhf.RunHandle) -> None:
    assert trained.state == "succeeded"
    assert trained.results["ppo"].metrics["dropped_other"] == 0, "each rollout was generated, scored and compared"


def test_an_application_uses_the_models_and_does_not_train(site: Site, trained: rlhf.RunHandle) -> None:
    model = trained.results["ppo"].model
    assert model is not None
    with site.as_(Role.CALLER) as client:
        (rollout,) = client.policy.generate("Name four birds.", model=model, max_new_tokens=4)
        assert str(rollout.model_version) == str(model)
        with pytest.raises(rlhf.AccessDeniedError, match=r"my-caller is caller, and TrainerService/CreateRun takes"):
            client.runs.create(rlhf.Sft(base_model="base", dataset="demonstrations"), name="x")
        with pytest.raises(rlhf.AccessDeniedError, match="Ask its operator for a token of such a role"):
            client.models.promote(model, "policy/default")
    with site.as_(Role.OPERATOR) as client:
        client.models.promote(model, "policy/default")


def test_no_secret_is_in_a_log_or_on_a_command_line(site: Site, trained: rlhf.RunHandle) -> None:
    told = "".join(trained.logs()) + "".join(site.services.log(name).read_text() for name in SERVICES)
    told += " ".join(word for pid in site.services.pids.values() for word in psutil.Process(pid).cmdline())
    assert "listening on" in told
    assert not [name for name, token in site.tokens.items() if token in told]


def test_a_token_that_is_taken_away_ends_and_its_successor_is_known_at_once(site: Site) -> None:
    with site.as_(Role.CALLER) as old, site.client("n" * 48) as new:
        assert old.models.list() == old.models.list(timeout=20)
        with pytest.raises(rlhf.UnauthenticatedError, match=r"token is not known here.*RLHF_TOKEN"):
            new.models.list()
        write_table(site.table, {**site.tokens, "caller": "n" * 48})
        try:
            with pytest.raises(rlhf.UnauthenticatedError):
                old.models.list()
            new.models.list()
        finally:
            write_table(site.table, site.tokens)
        old.models.list()


def test_an_authority_is_replaced_under_running_clients_and_services(site: Site, tmp_path: Path) -> None:
    """Trust both, then change the servers; nobody restarts."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(site.authority.ca.read_bytes())
    successor = Authority(tmp_path, "successor")
    settings: Any = {**site.services.addresses, **site.mutual, "ca": trusted, "token": site.tokens[Role.CALLER]}
    pair = [site.folder / "server.crt", site.folder / "server.key"]
    before = [file.read_bytes() for file in pair]
    with rlhf.Client(**settings) as client:
        client.models.list()
        trusted.write_bytes(site.authority.ca.read_bytes() + successor.ca.read_bytes())
        renewed = successor.issue("server")
        try:
            pair[1].write_bytes(renewed.key.read_bytes())
            pair[0].write_bytes(renewed.cert.read_bytes())
            trusted.write_bytes(successor.ca.read_bytes())
            client.models.list()
            with (
                site.as_(Role.CALLER) as stranger,
                pytest.raises(rlhf.ConnectionFailedError, match="not from the authority"),
            ):
                stranger.models.list(timeout=20)
        finally:
            pair[1].write_bytes(before[1])
            pair[0].write_bytes(before[0])


def test_the_command_line_is_told_by_flags_or_by_a_file(site: Site, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "token").write_text(site.tokens[Role.CALLER])
    where = [text for name, address in site.services.addresses.items() for text in (f"--{name}", address)]
    files = [text for name, path in site.mutual.items() for text in (f"--{name}", str(path))]
    listed = CliRunner().invoke(app, [*where, *files, "--token-file", str(tmp_path / "token"), "models", "list"])
    assert listed.exit_code == 0, listed.output
    refused = CliRunner().invoke(app, [*where, *files, "models", "list"])
    assert refused.exit_code == 1
    assert "this call needs a token" in refused.output
    settings = {**site.services.addresses, **site.mutual, "token_file": "token"}
    (tmp_path / "config.toml").write_text("".join(f'{name} = "{value}"\n' for name, value in settings.items()))
    monkeypatch.setenv("RLHF_CONFIG", str(tmp_path / "config.toml"))
    assert CliRunner().invoke(app, ["models", "list"]).output == listed.output
