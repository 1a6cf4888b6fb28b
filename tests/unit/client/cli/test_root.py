"""Help, exit codes, and errors in words."""

import contextlib
import json
import subprocess
import sys

import pytest
import rlhf.cli
import typer.main

from services.runtime import errors as server
from tests.conftest import free_port

from ..scripted_server import Script, raising


def commands(app: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    children = getattr(app, "commands", {})
    return [found for name, child in children.items() for found in commands(child, (*path, name))] or [path]


ALL = commands(typer.main.get_command(rlhf.cli.app))


def test_every_promised_command_is_there() -> None:
    promised = [
        "up", "quickstart", "pipeline", "train sft", "train reward", "train ppo", "train dpo", "runs list", "runs show",
        "runs watch", "runs logs", "runs cancel", "runs resume", "models list", "models upload", "models import",
        "models download", "models promote", "models rollback", "data check", "data upload", "data list",
        "data download", "generate", "chat", "score",
    ]  # fmt: skip
    assert set(promised) <= {" ".join(path) for path in ALL}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself_and_speaks_json(offline, path: tuple[str, ...]) -> None:
    result = offline(*path, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output


def test_a_wrong_command_line_exits_with_two(offline) -> None:
    assert offline("runs", "show").exit_code == 2
    assert offline("train", "sft", "--no-such-flag").exit_code == 2
    assert offline("data", "upload", "no-such-file.jsonl").exit_code == 2


def test_no_service_is_told_in_one_message_with_what_to_do() -> None:
    """As a process: no traceback, nothing on stdout."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        sys.executable,
        "-c",
        "from rlhf.cli import main; main()",
        "--trainer",
        address,
        "runs",
        "list",
        "--json",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: cannot reach trainer at " + address)
    assert "rlhf up" in result.stderr
    assert "Traceback" not in result.stderr


def test_each_problem_of_an_input_has_a_line(cli, script: Script) -> None:
    problems = [server.Problem("sft.epochs", "-1", "1 or more"), server.Problem("sft.dataset", "[x]", "a dataset")]
    script.faults["CreateRun"] = [raising(server.InvalidInput(*problems))]
    result = cli("train", "sft", "--base-model", "m", "--dataset", "d", "--name", "n", exit_code=1)
    assert "sft.epochs: got -1, expected 1 or more\n  sft.dataset: got [x], expected a dataset" in result.stderr
    assert result.stdout == ""


def test_what_is_not_found_comes_with_how_to_look(cli) -> None:
    result = cli("runs", "show", "r9", "--json", exit_code=1)
    assert "no run 'r9'; there are r1" in result.stderr
    assert "rlhf runs list" in result.stderr
    assert result.stdout == ""


def test_a_message_with_brackets_and_braces_is_printed_as_it_is(cli, script: Script) -> None:
    script.faults["Promote"] = [raising(server.Conflict("got {x} and [red]y[/red]"))]
    assert "got {x} and [red]y[/red]" in cli("models", "promote", "a@1", "b", exit_code=1).stderr


def test_json_is_all_there_is_on_stdout(cli, script: Script) -> None:
    (run,) = json.loads(cli("runs", "list", "--json").stdout)
    assert (run["id"], run["results"]["sft"]["model"]["version"]) == ("r1", "1.3-aa")


def test_json_stays_json_when_a_metric_is_no_number(cli, script: Script) -> None:
    script.run.results[0].metrics["explained_variance"] = float("nan")
    shown = json.loads(cli("runs", "show", "r1", "--json").stdout, parse_constant=pytest.fail)
    assert shown["results"]["sft"]["metrics"] == {"loss": 0.5, "explained_variance": None}


def test_credentials_come_by_flag_and_are_refused_in_words(offline, tmp_path) -> None:
    refused = offline("--policy", "policy.example:1", "--token", "secret", "generate", "a")
    assert refused.exit_code == 1
    assert "a token for policy.example:1" in refused.output
    assert "secret" not in refused.output
    missing = offline("--ca", tmp_path / "none.pem", "models", "list")
    assert missing.exit_code == 1
    assert "none.pem, which cannot be used" in missing.output


def test_a_token_that_is_not_known_says_what_to_do(cli, script: Script) -> None:
    script.faults["Promote"] = [raising(server.Unauthenticated("this token is not known here"))]
    result = cli("models", "promote", "a@1", "policy/default", exit_code=1)
    assert "not known here" in result.output
    assert "RLHF_TOKEN" in result.output


def test_what_starts_services_of_its_own_ignores_whom_the_environment_is_meant_for(offline, monkeypatch) -> None:
    """A configuration for a cluster is no obstacle to `rlhf up` and `rlhf quickstart`."""
    monkeypatch.setenv("RLHF_CA", "/nonexistent.pem")
    monkeypatch.setattr("rlhf.cli.services.installed", nothing)
    assert offline("up").exit_code == 0
    assert offline("models", "list").exit_code == 1


@contextlib.contextmanager
def nothing(module: str):
    raise KeyboardInterrupt
    yield
