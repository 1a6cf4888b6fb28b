"""Settings come from flags and variables, and all that is wrong is said at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.runtime.errors import InvalidInput, Problem
from services.runtime.settings import ServerSettings, load_settings


@dataclass(frozen=True)
class PolicySettings(ServerSettings):
    port: int = 50051
    slots: int = 64

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if self.slots < 1:
            yield Problem("slots", str(self.slots), "at least 1")


def load(*argv: str, **environ: str) -> PolicySettings:
    return load_settings(PolicySettings, "RLHF_POLICY_", argv, environ)


def test_defaults_are_safe() -> None:
    settings = load("--storage", "x")
    assert (settings.host, settings.metrics_host) == ("127.0.0.1", "127.0.0.1")
    assert settings.port == 50051


def test_a_flag_wins_over_a_variable() -> None:
    settings = load("--storage=x", "--metrics-port", "1", RLHF_POLICY_METRICS_PORT="2", RLHF_POLICY_SLOTS="3")
    assert (settings.metrics_port, settings.slots) == (1, 3)


def test_each_type_is_read() -> None:
    settings = load("--storage", "x", "--cache", "~/c", "--drain-seconds", "1.5", "--log-json")
    assert settings.cache == Path.home() / "c"
    assert settings.drain_seconds == 1.5
    assert settings.log_json is True
    assert load("--storage", "x", RLHF_POLICY_LOG_JSON="off").log_json is False


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidInput) as error:
        load("--slots", "0", "--port", "70000", "--thread", "2", "--max-calls", "many", RLHF_POLICY_SLOT="1")
    message = str(error.value)
    for part in (
        "slots: got 0, expected at least 1",
        "port: got 70000, expected a port",
        "storage: got nothing",
        "--thread: got an unknown flag",
        "--max-calls: got 'many', expected a value of type int",
        "RLHF_POLICY_SLOT: got an unknown variable",
        "RLHF_POLICY_SLOTS",  # among the known ones
    ):
        assert part in message


def test_variables_of_others_do_not_matter() -> None:
    assert load("--storage", "x", RLHF_REWARD_SLOT="1", PATH="/bin").slots == 64


def test_a_flag_without_its_value_is_refused() -> None:
    with pytest.raises(InvalidInput, match="--slots"):
        load("--storage", "x", "--slots")


def test_help_names_flags_variables_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        load("--help")
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--metrics-port" in text
    assert "RLHF_POLICY_SLOTS, default 64" in text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "192.0.2.7", "example.org", "127.0.0.1.example.org"])
def test_a_host_that_others_reach_wants_tokens(host: str) -> None:
    with pytest.raises(InvalidInput, match=r"tokens_file: got nothing for the host .*RLHF_TOKENS"):
        load("--storage", "x", "--host", host)
    assert load("--storage", "x", "--host", host, RLHF_TOKENS="anything").host == host
    assert load("--storage", "x", "--host", host, "--tokens-file", "file").tokens_file == Path("file")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]"])
def test_loopback_wants_none(host: str) -> None:
    assert load("--storage", "x", "--host", host).tokens_file is None


def test_a_secret_has_no_flag_and_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    settings = load("--storage", "x", RLHF_TOKENS="secret")
    assert settings.tokens == "secret"
    assert "secret" not in repr(settings)
    with pytest.raises(InvalidInput, match="--tokens: got an unknown flag"):
        load("--storage", "x", "--tokens", "secret")
    with pytest.raises(SystemExit):
        load("--help")
    assert "From the environment alone: RLHF_TOKENS" in capsys.readouterr().out


def test_files_that_belong_together_are_asked_for() -> None:
    for given, missing in {
        ("--tls-cert", "c"): "tls_key: got nothing",
        ("--tls-key", "k"): "tls_cert: got nothing",
        ("--tls-client-ca", "a"): "tls_cert: got nothing",
        ("--health-port", "-2"): "health_port: got -2",
    }.items():
        with pytest.raises(InvalidInput, match=missing):
            load("--storage", "x", *given)
    with pytest.raises(InvalidInput, match="tokens_file: got RLHF_TOKENS as well"):
        load("--storage", "x", "--tokens-file", "t", RLHF_TOKENS="secret")


def test_an_empty_path_is_none() -> None:
    assert load("--storage", "x", RLHF_POLICY_TLS_CERT="").tls_cert is None
