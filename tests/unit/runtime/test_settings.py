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
