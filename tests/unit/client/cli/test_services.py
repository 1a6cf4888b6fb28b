"""Commands that run the services: here with stand-ins, so that only the passing on is tested."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import rlhf

from services.runtime.errors import Conflict


def test_quickstart_passes_its_flags_on(offline, monkeypatch, tmp_path: Path) -> None:
    asked: list[dict] = []

    def main(**given) -> dict:
        asked.append(given)
        print("once upon a time")
        return {"gold": 1.5}

    monkeypatch.setitem(sys.modules, "services.quickstart", SimpleNamespace(main=main))
    result = offline("quickstart", "--seed", 4, "--out", tmp_path, "--fast", "--json")
    assert asked == [{"seed": 4, "storage": None, "world": None, "out": tmp_path, "fast": True, "client": None}]
    assert json.loads(result.stdout) == {"gold": 1.5}
    assert "once upon a time" in result.stderr
    assert "once upon a time" in offline("quickstart").stdout


def test_quickstart_takes_services_that_run_already(offline, monkeypatch) -> None:
    clients: list[rlhf.Client] = []

    def main(*, client: rlhf.Client, **given) -> dict:
        clients.append(client)
        return {}

    monkeypatch.setitem(sys.modules, "services.quickstart", SimpleNamespace(main=main))
    assert offline("quickstart", "--connected").exit_code == 0
    assert isinstance(clients[0], rlhf.Client)
    refused = offline("quickstart", "--connected", "--storage", "x")
    assert (refused.exit_code, len(clients)) == (1, 1)


def test_an_error_of_the_services_is_told_like_our_own(offline, monkeypatch) -> None:
    def main(**given) -> dict:
        raise Conflict("port 50051 is taken")

    monkeypatch.setitem(sys.modules, "services.quickstart", SimpleNamespace(main=main))
    result = offline("quickstart")
    assert (result.exit_code, result.stderr) == (1, "error: port 50051 is taken\n")


def test_without_the_services_it_says_what_to_install(offline, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "services.local", None)
    result = offline("up")
    assert result.exit_code == 1
    assert "pip install" in result.stderr
