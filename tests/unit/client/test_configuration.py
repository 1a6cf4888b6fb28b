"""Where a client's settings come from, and which of several counts."""

from pathlib import Path

import pytest
import rlhf
from rlhf.configuration import DEFAULT_ADDRESSES, Configuration, Settings, configuration_file, configure


def settings(tmp_path: Path, file: str = "", environ: dict[str, str] | None = None, **given: str) -> Configuration:
    (tmp_path / "config.toml").write_text(file)
    arguments: Settings = given  # type: ignore[assignment]
    return configure(arguments, {"RLHF_CONFIG": str(tmp_path / "config.toml"), **(environ or {})})


def test_an_argument_counts_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = 'policy = "file:1"\nreward = "file:2"\nreference = "file:3"\ntoken = "of-file"'
    environ = {"RLHF_POLICY": "env:1", "RLHF_REWARD": "env:2"}
    found = settings(tmp_path, file, environ, policy="argument:1")
    assert found.addresses == {
        "policy": "argument:1",
        "reward": "env:2",
        "reference": "file:3",
        "trainer": DEFAULT_ADDRESSES["trainer"],
        "feedback": DEFAULT_ADDRESSES["feedback"],
    }
    assert found.credentials.token == "of-file"
    assert settings(tmp_path, file, {"RLHF_TOKEN": "of-env"}).credentials.token == "of-env"
    assert settings(tmp_path, file, {"RLHF_TOKEN": "of-env"}, token="given").credentials.token == "given"


def test_an_empty_argument_says_none_and_an_empty_variable_nothing(tmp_path: Path) -> None:
    environ = {"RLHF_TOKEN": "of-env", "RLHF_POLICY": ""}
    assert settings(tmp_path, environ=environ, token="").credentials.token == ""
    assert settings(tmp_path, environ=environ).addresses["policy"] == DEFAULT_ADDRESSES["policy"]


def test_a_token_replaces_a_token_file_of_a_place_that_counts_less(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-a-file\n")
    file = 'token_file = "token"'
    assert settings(tmp_path, file).credentials.token_file == tmp_path / "token", "from the file's own folder"
    found = settings(tmp_path, file, {"RLHF_TOKEN": "of-env"}).credentials
    assert (found.token, found.token_file) == ("of-env", None)
    with pytest.raises(rlhf.InvalidInputError, match="token_file: got a token as well"):
        settings(tmp_path, file + '\ntoken = "both"')


def test_the_file_is_where_configuration_belongs(tmp_path: Path) -> None:
    assert configuration_file({}) == Path.home() / ".config" / "rlhf" / "config.toml"
    assert configuration_file({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "rlhf" / "config.toml"
    assert configuration_file({"XDG_CONFIG_HOME": "/x", "RLHF_CONFIG": "~/mine.toml"}) == Path.home() / "mine.toml"
    assert configure({}, {"RLHF_CONFIG": str(tmp_path / "none.toml")}).addresses == DEFAULT_ADDRESSES


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ('tokn = "x"', "tokn: expected one of policy"),
        ("[token]\na = 1", "token: expected a text"),
        ("token = ", "cannot be read"),
        ('allow_plaintext_token = "maybe"', "got 'maybe', expected true or false"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, file: str, message: str) -> None:
    with pytest.raises(rlhf.InvalidInputError, match=message):
        settings(tmp_path, file)


def test_a_switch_is_read_from_everywhere(tmp_path: Path) -> None:
    assert settings(tmp_path, "allow_plaintext_token = true").credentials.allow_plaintext_token
    assert settings(tmp_path, environ={"RLHF_ALLOW_PLAINTEXT_TOKEN": "1"}).credentials.allow_plaintext_token
    assert not settings(tmp_path).credentials.allow_plaintext_token


def test_a_name_that_nobody_knows_is_a_mistake_in_the_program() -> None:
    with pytest.raises(TypeError, match="polcy: expected some of policy, reward"):
        rlhf.Client(polcy="127.0.0.1:1")  # type: ignore[call-arg]
